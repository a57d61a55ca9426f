"""The worker processes: started, spoken to, replaced when they die, ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from lightmill.config import Config
from lightmill.errors import WorkerDied
from lightmill.session.host import Catalogue
from lightmill.session.workers.link import RETRY_AFTER_S
from lightmill.session.workers.placement import HEALTHY_AFTER_S, restart_delay_s
from lightmill.session.workers.process import WorkerProcess, spawn_worker
from lightmill.session.workers.wire import Frame

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Slot:
    """A worker's number, and the process that has it now (``None`` while it is replaced)."""

    index: int
    process: WorkerProcess | None = None
    cpu_share: float = 0.0
    heard_at: float = 0.0
    """Second of the monotonic clock at which the process last told its load."""
    n_restarts: int = 0


class WorkerPool:
    """Keeps ``server.workers`` processes.

    ``on_event`` gets what a worker tells; ``on_death`` a worker's number the moment that it dies,
    and returns the names of the sessions that it took with it.
    """

    def __init__(
        self,
        config: Config,
        on_event: Callable[[int, dict[str, Any]], None],
        on_death: Callable[[int], list[str]],
    ) -> None:
        self.slots = [Slot(index) for index in range(config.server.workers)]
        self.catalogue = Catalogue([])
        self._config = config
        self._on_event = on_event
        self._on_death = on_death
        self._keepers: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start all workers; one that cannot start ends them all.

        Raises:
            ConfigError: they cannot work with this configuration.
            WorkerDied: one ended before it was ready.

        """
        starts = [asyncio.create_task(self._spawn(slot)) for slot in self.slots]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.aclose()
            raise
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self.slots]

    async def _spawn(self, slot: Slot) -> None:
        process = await spawn_worker(
            self._config,
            slot.index,
            lambda message: self._hear(slot, message),
        )
        slot.process, slot.cpu_share, slot.heard_at = process, 0.0, monotonic()
        self.catalogue = process.catalogue
        logger.info("worker %d is ready, process %d", slot.index, process.pid)

    def _hear(self, slot: Slot, message: dict[str, Any]) -> None:
        if message["event"] == "load":
            slot.cpu_share, slot.heard_at = message["cpu_share"], monotonic()
        else:
            self._on_event(slot.index, message)

    async def _keep(self, slot: Slot) -> None:
        """Keep a process in the slot until the host closes."""
        n_quick_deaths = 0
        while True:
            started = monotonic()
            if slot.process is not None:
                await self._wait_ended(slot, slot.process)
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

    async def _wait_ended(self, slot: Slot, process: WorkerProcess) -> None:
        """Return when the process has ended, or has hung: it tells its load each second."""
        silence_s = self._config.server.worker_silence_s
        while (left_s := slot.heard_at + silence_s - monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await process.wait_ended()
                return
            except TimeoutError:
                continue
        logger.error("worker %d has been silent for %g s and is replaced", slot.index, silence_s)

    async def _bury(self, slot: Slot) -> None:
        """Spread the news at once, then make sure that the process is gone."""
        process, slot.process = slot.process, None
        if process is None:
            return
        lost = self._on_death(slot.index)
        code = await process.bury()
        logger.error(
            "worker %d died (process %d, exit code %d) and took %d sessions: %s",
            *(slot.index, process.pid, code, len(lost), ", ".join(lost)),
        )

    async def call(self, worker: int, method: str, timeout_s: float, **arguments: Any) -> Frame:
        """`WorkerLink.call`; raises `WorkerDied` too while the worker is being replaced."""
        process = self.slots[worker].process
        if process is None:
            raise WorkerDied(f"worker {worker} died; a new one is being started", RETRY_AFTER_S)
        return await process.link.call(method, timeout_s, **arguments)

    def tell(self, worker: int, method: str, **arguments: Any) -> None:
        """`WorkerLink.tell`; nothing happens while the worker is being replaced."""
        process = self.slots[worker].process
        if process is not None:
            process.link.tell(method, **arguments)

    async def aclose(self) -> None:
        """End every process. Idempotent; concurrent callers wait for the same end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        timeout_s = self._config.server.shutdown_timeout_s
        processes = [slot.process for slot in self.slots if slot.process is not None]
        await asyncio.gather(*(process.stop(timeout_s) for process in processes))
