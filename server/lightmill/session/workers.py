"""The host whose sessions live in worker processes; this process only knows where each one is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Any

import lightmill
from lightmill.config import Config
from lightmill.errors import LimitReached, Unavailable, WorkerDied
from lightmill.session.events import DEATH_REASON, WORKER_DIED, EventHub, EventStream
from lightmill.session.host import (
    Catalogue,
    PeerAnswer,
    PeerRecord,
    PeerRequest,
    SessionRequest,
    generated_name,
    ice_servers_json,
)
from lightmill.session.workers_link import RETRY_AFTER_S
from lightmill.session.workers_placement import (
    HEALTHY_AFTER_S,
    Load,
    least_loaded,
    restart_delay_s,
    worker_config,
)
from lightmill.session.workers_process import WorkerProcess, spawn_worker
from lightmill.session.workers_tables import Tables
from lightmill.session.workers_wire import Frame

logger = logging.getLogger(__name__)

QUICK_S = 30.0
"""For what a worker answers at once; `session.apply_timeout_s` is added where it waits for that."""
LOADING_S = 900.0
"""For what may load a pipeline's weights."""
UNMEASURED_S = 3.0
"""A session younger than this has not shown its CPU yet."""


@dataclass(slots=True)
class Slot:
    """A worker's number, and the process that has it now (``None`` while it is replaced)."""

    index: int
    process: WorkerProcess | None = None
    cpu_share: float = 0.0
    n_restarts: int = 0


class WorkerSessionHost:
    """Implements `SessionHost` with ``server.workers`` processes.

    A worker that dies takes only its own sessions: their subscribers are told, and a replacement
    is started, at once or, when it dies again and again, after a growing delay.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._slots = [Slot(index) for index in range(config.server.workers)]
        self._tables = Tables()
        self._hub = EventHub(self._unwatch)
        self._catalogue = Catalogue([])
        self._keepers: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._started = monotonic()

    async def start(self) -> None:
        starts = [asyncio.create_task(self._spawn(slot)) for slot in self._slots]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.aclose()
            raise
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]

    async def _spawn(self, slot: Slot) -> None:
        process = await spawn_worker(
            worker_config(self._config, slot.index),
            slot.index,
            lambda message: self._hear(slot, message),
        )
        slot.process, slot.cpu_share = process, 0.0
        self._catalogue = process.catalogue
        logger.info("worker %d is ready, process %d", slot.index, process.pid)

    async def _keep(self, slot: Slot) -> None:
        """Keep a process in the slot until the host closes."""
        n_quick_deaths = 0
        while True:
            started = monotonic()
            if slot.process is not None:
                await slot.process.wait_ended()
            if self._closing is not None:
                return
            await self._bury(slot)
            if monotonic() - started > HEALTHY_AFTER_S:
                n_quick_deaths = 0
            await asyncio.sleep(restart_delay_s(n_quick_deaths))
            n_quick_deaths += 1
            slot.n_restarts += 1
            try:
                await self._spawn(slot)
            except Exception:  # the wall between a worker that cannot start and the others
                logger.exception("worker %d cannot be replaced yet", slot.index)

    async def _bury(self, slot: Slot) -> None:
        """Tell its sessions' subscribers at once, then make sure that the process is gone."""
        process, slot.process = slot.process, None
        if process is None:
            return
        lost = self._tables.lose(slot.index)
        for name in lost:
            self._hub.end(name, DEATH_REASON, WORKER_DIED)
        code = await process.bury()
        logger.error(
            "worker %d died (process %d, exit code %d) and took %d sessions: %s",
            *(slot.index, process.pid, code, len(lost), ", ".join(lost)),
        )

    def _hear(self, slot: Slot, message: dict[str, Any]) -> None:
        match message["event"]:
            case "load":
                slot.cpu_share = message["cpu_share"]
            case "opened":
                self._tables.opened(message["name"], slot.index)
            case "gone":
                self._tables.forget_peers(message["peers"])
            case "state":
                self._hub.show(message["name"], message["session"])
            case "ended":
                self._tables.ended(message["name"], slot.index)
                self._hub.end(message["name"], message["reason"])
            case other:
                logger.warning("worker %d says %r, which nobody knows", slot.index, other)

    async def connect(self, request: PeerRequest) -> PeerAnswer:
        name = request.session or generated_name()
        async with self._place(name) as worker:
            wish = asdict(replace(request, session=name))
            frame = await self._call(worker, "connect", LOADING_S, request=wish)
            answer = PeerAnswer(**frame.message["ok"])
            record = PeerRecord(request.role, answer.session, answer.etag)
            self._tables.add_peer(answer.peer, record, worker)
            return answer

    async def create_session(self, request: SessionRequest) -> dict[str, Any]:
        name = request.name or generated_name()
        async with self._place(name) as worker:
            wish = asdict(replace(request, name=name))
            frame = await self._call(worker, "create_session", LOADING_S, request=wish)
            return frame.message["ok"]

    @asynccontextmanager
    async def _place(self, name: str) -> AsyncGenerator[int]:
        """The session's worker; a new session gets the least loaded one."""
        limit = self._config.session.max_sessions
        if not self._tables.knows(name) and self._tables.n_sessions >= limit:
            raise LimitReached(
                f"{limit} sessions are open, the most that session.max_sessions allows"
            )
        place = self._tables.reserve(name, monotonic(), self._choose)
        try:
            yield place.worker
        finally:
            self._tables.release(name, place)

    def _choose(self) -> int:
        since = monotonic() - UNMEASURED_S
        worker = least_loaded(
            self._load(slot, since) for slot in self._slots if slot.process is not None
        )
        if worker is None:
            raise Unavailable("no worker is ready; they are being started", RETRY_AFTER_S)
        return worker

    def _load(self, slot: Slot, since: float) -> Load:
        n_sessions, n_peers = self._tables.count(slot.index)
        n_unmeasured = self._tables.count_placed_since(slot.index, since)
        return Load(slot.index, slot.cpu_share, n_unmeasured, n_peers, n_sessions)

    async def _call(self, worker: int, method: str, timeout_s: float, **arguments: Any) -> Frame:
        process = self._slots[worker].process
        if process is None:
            raise WorkerDied(f"worker {worker} died; a new one is being started", RETRY_AFTER_S)
        return await process.link.call(method, timeout_s, **arguments)

    async def _ask(self, name: str, method: str, timeout_s: float, **arguments: Any) -> Frame:
        """Ask the worker of a session about it."""
        worker = self._tables.worker_of(name)
        return await self._call(worker, method, timeout_s, name=name, **arguments)

    def peer(self, peer: str) -> PeerRecord:
        return self._tables.peer(peer)[1]

    async def add_candidates(self, peer: str, fragment: str) -> None:
        worker, _ = self._tables.peer(peer)
        await self._call(worker, "add_candidates", QUICK_S, peer=peer, fragment=fragment)

    async def disconnect(self, peer: str) -> None:
        worker, _ = self._tables.peer(peer)
        await self._call(worker, "disconnect", QUICK_S, peer=peer)

    async def sessions(self) -> list[dict[str, Any]]:
        """All workers' sessions; a worker that dies meanwhile has none."""
        ready = [slot.index for slot in self._slots if slot.process is not None]
        asked = [self._call(index, "sessions", QUICK_S) for index in ready]
        found: list[dict[str, Any]] = []
        for reply in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(reply, Frame):
                found += reply.message["ok"]
            elif not isinstance(reply, WorkerDied):
                raise reply
        return found

    async def session(self, name: str) -> dict[str, Any]:
        return (await self._ask(name, "session", QUICK_S)).message["ok"]

    async def update_session(
        self,
        name: str,
        *,
        pipeline: str | None = None,
        mode: str | None = None,
        settings: dict[str, Any] | None = None,
        codec: str | None = None,
    ) -> dict[str, Any]:
        wishes = {"pipeline": pipeline, "mode": mode, "settings": settings, "codec": codec}
        return (await self._ask(name, "update_session", LOADING_S, **wishes)).message["ok"]

    async def update_settings(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        timeout_s = QUICK_S + self._config.session.apply_timeout_s
        frame = await self._ask(name, "update_settings", timeout_s, settings=settings)
        return frame.message["ok"]

    async def snapshot(self, name: str) -> bytes:
        return (await self._ask(name, "snapshot", QUICK_S)).blob

    async def end_session(self, name: str) -> None:
        await self._ask(name, "end_session", QUICK_S)

    async def events(self, name: str) -> EventStream:
        self._tables.worker_of(name)
        stream = self._hub.subscribe(name)
        try:
            stream.introduce((await self._ask(name, "watch", QUICK_S)).message["ok"])
        except BaseException:
            stream.close()
            raise
        return stream

    def _unwatch(self, name: str) -> None:
        if not self._tables.knows(name):
            return
        process = self._slots[self._tables.worker_of(name)].process
        if process is not None:
            process.link.tell("unwatch", name=name)

    def catalogue(self) -> Catalogue:
        return self._catalogue

    def ice_servers(self) -> list[dict[str, Any]]:
        return ice_servers_json(self._config.rtc)

    def health(self) -> dict[str, Any]:
        workers = [self._describe(slot) for slot in self._slots]
        complete = all(slot.process is not None for slot in self._slots)
        return {
            "status": "ok" if complete else "degraded",
            "version": lightmill.__version__,
            "uptime_s": round(monotonic() - self._started, 3),
            "sessions": sum(worker["sessions"] for worker in workers),
            "peers": sum(worker["peers"] for worker in workers),
            "workers": workers,
        }

    def _describe(self, slot: Slot) -> dict[str, Any]:
        n_sessions, n_peers = self._tables.count(slot.index)
        return {
            "index": slot.index,
            "pid": slot.process and slot.process.pid,
            "sessions": n_sessions,
            "peers": n_peers,
            "cpu_share": slot.cpu_share if slot.process else None,
            "restarts": slot.n_restarts,
        }

    async def aclose(self) -> None:
        """End every session and process. Idempotent; concurrent callers wait for the same end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        timeout_s = self._config.server.shutdown_timeout_s
        processes = [slot.process for slot in self._slots if slot.process is not None]
        await asyncio.gather(*(process.stop(timeout_s) for process in processes))
