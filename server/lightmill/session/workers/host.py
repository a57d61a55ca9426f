"""The host whose sessions live in worker processes; this process only knows where each one is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from time import monotonic
from typing import Any, Literal

import lightmill
from lightmill.config import Config
from lightmill.errors import LimitReached, SessionNotFound, Unavailable, WorkerDied
from lightmill.session.events import DEATH_REASON, WORKER_DIED, EventHub, EventStream
from lightmill.session.host import (
    Catalogue,
    ImageFormat,
    PeerAnswer,
    PeerRecord,
    PeerRequest,
    PreviewPicture,
    PreviewRequest,
    SessionRequest,
    SnapshotOf,
    SourceRequest,
    generated_name,
    ice_servers_json,
)
from lightmill.session.wish import MAIN, ChainWish
from lightmill.session.workers.link import RETRY_AFTER_S
from lightmill.session.workers.placement import Load, least_loaded
from lightmill.session.workers.pool import Slot, WorkerPool
from lightmill.session.workers.tables import Tables
from lightmill.session.workers.wire import Frame

logger = logging.getLogger(__name__)

QUICK_S = 30.0
"""For what a worker answers at once; `session.apply_timeout_s` is added where it waits for that."""
LOADING_S = 900.0
"""For what may load a pipeline's weights."""
UNMEASURED_S = 3.0
"""A session younger than this has not shown its CPU yet."""


class WorkerSessionHost:
    """Implements `SessionHost` with ``server.workers`` processes.

    A worker that dies takes only its own sessions: their subscribers are told, and a replacement
    is started, at once or, when it dies again and again, after a growing delay.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._tables = Tables()
        self._hub = EventHub(self._unwatch)
        self._pool = WorkerPool(config, self._hear, self._mourn)
        self._started = monotonic()

    async def start(self) -> None:
        await self._pool.start()

    def _hear(self, worker: int, message: dict[str, Any]) -> None:
        match message["event"]:
            case "opened":
                self._tables.opened(message["name"], worker)
            case "gone":
                self._tables.forget_peers(message["peers"])
            case "state":
                self._hub.show(message["name"], message["session"])
            case "ended":
                self._tables.ended(message["name"], worker)
                self._hub.end(message["name"], message["reason"])
            case other:
                logger.warning("worker %d says %r, which nobody knows", worker, other)

    def _mourn(self, worker: int) -> list[str]:
        """Forget a dead worker's sessions and tell their subscribers; returns their names."""
        lost = self._tables.lose(worker)
        for name in lost:
            self._hub.end(name, DEATH_REASON, WORKER_DIED)
        return lost

    async def connect(self, request: PeerRequest) -> PeerAnswer:
        name = request.session or generated_name()
        async with self._place(name) as worker:
            wish = {**asdict(request), "session": name, "chain": request.chain.model_dump()}
            frame = await self._pool.call(worker, "connect", LOADING_S, request=wish)
            answer = PeerAnswer(**frame.message["ok"])
            record = PeerRecord(request.role, answer.session, answer.etag)
            self._tables.add_peer(answer.peer, record, worker)
            return answer

    async def create_session(self, request: SessionRequest) -> dict[str, Any]:
        name = request.name or generated_name()
        async with self._place(name) as worker:
            wish = {**asdict(request), "name": name, "chain": request.chain.model_dump()}
            frame = await self._pool.call(worker, "create_session", LOADING_S, request=wish)
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
            self._load(slot, since) for slot in self._pool.slots if slot.process is not None
        )
        if worker is None:
            raise Unavailable("no worker is ready; they are being started", RETRY_AFTER_S)
        return worker

    def _load(self, slot: Slot, since: float) -> Load:
        n_sessions, n_peers = self._tables.count(slot.index)
        n_unmeasured = self._tables.count_placed_since(slot.index, since)
        return Load(slot.index, slot.cpu_share, n_unmeasured, n_peers, n_sessions)

    async def _ask(self, name: str, method: str, timeout_s: float, **arguments: Any) -> Frame:
        """Ask the worker of a session about it."""
        worker = self._tables.worker_of(name)
        return await self._pool.call(worker, method, timeout_s, name=name, **arguments)

    def peer(self, peer: str) -> PeerRecord:
        return self._tables.peer(peer)[1]

    async def add_candidates(self, peer: str, fragment: str) -> None:
        worker, _ = self._tables.peer(peer)
        await self._pool.call(worker, "add_candidates", QUICK_S, peer=peer, fragment=fragment)

    async def disconnect(self, peer: str) -> None:
        worker, _ = self._tables.peer(peer)
        await self._pool.call(worker, "disconnect", QUICK_S, peer=peer)

    async def sessions(self) -> list[dict[str, Any]]:
        """All workers' sessions; a worker that dies meanwhile has none."""
        return [session for found in await self._ask_all("sessions") for session in found]

    async def _ask_all(self, method: str, **arguments: Any) -> list[Any]:
        """What every worker that is there answers; one that dies meanwhile answers nothing."""
        ready = [slot.index for slot in self._pool.slots if slot.process is not None]
        asked = [self._pool.call(index, method, QUICK_S, **arguments) for index in ready]
        found: list[Any] = []
        for reply in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(reply, Frame):
                found.append(reply.message["ok"])
            elif not isinstance(reply, WorkerDied):
                raise reply
        return found

    async def session(self, name: str) -> dict[str, Any]:
        return (await self._ask(name, "session", QUICK_S)).message["ok"]

    async def update_session(
        self, name: str, chain: ChainWish, *, codec: str | None = None
    ) -> dict[str, Any]:
        wishes = {"chain": chain.model_dump(), "codec": codec}
        return (await self._ask(name, "update_session", LOADING_S, **wishes)).message["ok"]

    async def fit_preset(self, document: dict[str, Any]) -> dict[str, Any]:
        """Any worker knows: all have the same pipelines."""
        frame = await self._pool.call(self._choose(), "fit_preset", QUICK_S, document=document)
        return frame.message["ok"]

    async def update_settings(
        self, name: str, settings: dict[str, Any], stage: str = MAIN
    ) -> dict[str, Any]:
        timeout_s = QUICK_S + self._config.session.apply_timeout_s
        frame = await self._ask(name, "update_settings", timeout_s, settings=settings, stage=stage)
        return frame.message["ok"]

    async def snapshot(
        self, name: str, of: SnapshotOf = "output", image: ImageFormat = "jpg"
    ) -> bytes:
        return (await self._ask(name, "snapshot", QUICK_S, of=of, image=image)).blob

    async def start_recording(self, name: str) -> dict[str, Any]:
        return (await self._ask(name, "start_recording", QUICK_S)).message["ok"]

    async def stop_recording(self, name: str) -> dict[str, Any]:
        return (await self._ask(name, "stop_recording", QUICK_S)).message["ok"]

    async def sinks(self, name: str) -> list[dict[str, Any]]:
        return (await self._ask(name, "sinks", QUICK_S)).message["ok"]

    async def add_sink(
        self, name: str, url: str, audio: Literal["opus", "aac"] | None = None
    ) -> dict[str, Any]:
        frame = await self._ask(name, "add_sink", QUICK_S, url=url, audio=audio)
        return frame.message["ok"]

    async def remove_sink(self, name: str, sink: str) -> None:
        await self._ask(name, "remove_sink", QUICK_S, sink=sink)

    async def preview(self, name: str, request: PreviewRequest, after: int) -> PreviewPicture:
        wish = asdict(request)
        frame = await self._ask(name, "preview", QUICK_S, request=wish, after=after)
        return PreviewPicture(frame.message["ok"], frame.blob)

    async def set_source(self, name: str, source: SourceRequest) -> dict[str, Any]:
        frame = await self._ask(name, "set_source", QUICK_S, source=asdict(source))
        return frame.message["ok"]

    async def clear_source(self, name: str) -> None:
        await self._ask(name, "clear_source", QUICK_S)

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
        with suppress(SessionNotFound):
            self._pool.tell(self._tables.worker_of(name), "unwatch", name=name)

    async def artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        """The disk is the same for all; the worker that downloads an artifact knows its progress."""
        self.catalogue().pipeline(pipeline)
        told = await self._ask_all("artifacts", pipeline=pipeline)
        if not told:
            raise Unavailable("no worker is ready; they are being started", RETRY_AFTER_S)
        return [max(same, key=_telling) for same in zip(*told, strict=True)]

    async def fetch_artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        self.catalogue().pipeline(pipeline)
        await self._pool.call(self._choose(), "fetch_artifacts", QUICK_S, pipeline=pipeline)
        return await self.artifacts(pipeline)

    async def remove_artifacts(self, pipeline: str) -> None:
        self.catalogue().pipeline(pipeline)
        await self._pool.call(self._choose(), "remove_artifacts", QUICK_S, pipeline=pipeline)

    def catalogue(self) -> Catalogue:
        return self._pool.catalogue

    def ice_servers(self) -> list[dict[str, Any]]:
        return ice_servers_json(self._config.rtc)

    def health(self) -> dict[str, Any]:
        workers = [self._describe(slot) for slot in self._pool.slots]
        complete = all(slot.process is not None for slot in self._pool.slots)
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
        await self._pool.aclose()


def _telling(artifact: dict[str, Any]) -> tuple[bool, bool]:
    """How much a worker knows of an artifact besides what lies on the disk."""
    return artifact["progress"] is not None, artifact["error"] is not None
