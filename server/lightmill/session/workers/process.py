"""One worker process: started fresh (no fork), spoken to over a socket pair, surely ended."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from lightmill.config import Config, config_to_json
from lightmill.errors import ConfigError, WorkerDied
from lightmill.session.host import Catalogue
from lightmill.session.workers.link import WorkerLink

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
"""torch and plug-ins are imported meanwhile, from a cold disk perhaps."""
EXIT_S = 2.0
"""Time for a worker that closed its socket to be gone as well."""
MODULE = "lightmill.session.workers.main"


class WorkerProcess:
    """A worker that is ready. The one who spawned it calls `stop`."""

    def __init__(
        self, index: int, process: Process, link: WorkerLink, catalogue: Catalogue
    ) -> None:
        self.index = index
        self.link = link
        self.catalogue = catalogue
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_ended(self) -> None:
        """Wait until the worker is gone: its socket closes the moment that it dies."""
        await self.link.wait_closed()

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, which lets it end its sessions; SIGKILL after ``timeout_s``. Idempotent."""
        if self._process.returncode is None:
            _signal(self._process.terminate)
        await self._end(timeout_s)

    async def bury(self) -> int:
        """Make sure that a worker that has closed its socket is gone; returns its exit code."""
        await self._end(EXIT_S)
        return await self._process.wait()

    async def _end(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            logger.warning("worker %d still runs after %g s; it is killed", self.index, timeout_s)
            await _kill(self._process)
        await self.link.aclose()


async def spawn_worker(
    config: Config, index: int, on_event: Callable[[dict[str, Any]], None]
) -> WorkerProcess:
    """Start a worker and wait until it is ready.

    Raises:
        ConfigError: it cannot work with this configuration.
        WorkerDied: it ended before it was ready, or took longer than `START_TIMEOUT_S`.

    """
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_message(message: dict[str, Any]) -> None:
        if ready.done():
            on_event(message)
        else:
            ready.set_result(message)

    process, connection = await _start(index)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    link = WorkerLink(f"worker {index}", reader, writer, on_message)
    try:
        link.tell("start", config=config_to_json(config))
        catalogue = await _greeting(index, link, ready)
    except BaseException:
        await _to_the_end(_abandon(process, link))
        raise
    return WorkerProcess(index, process, link, catalogue)


async def _abandon(process: Process, link: WorkerLink) -> None:
    await _kill(process)
    await link.aclose()


async def _to_the_end(ending: Coroutine[Any, Any, None]) -> None:
    """Await all of it, whoever cancels meanwhile: a killed process is gone in no time."""
    task = asyncio.ensure_future(ending)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)


async def _start(index: int) -> tuple[Process, socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(index)),
                stdin=DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONPATH": _import_path()},
                # Ctrl-C in the terminal goes to the front process' group alone, which decides.
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def _import_path() -> str:
    """What this process imports from, so that the worker finds the same Lightmill and plug-ins."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)


async def _greeting(
    index: int, link: WorkerLink, ready: asyncio.Future[dict[str, Any]]
) -> Catalogue:
    gone = asyncio.ensure_future(link.wait_closed())
    try:
        await asyncio.wait(
            [ready, gone], timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        gone.cancel()
    if not ready.done():
        how = "ended" if link.is_closed else f"took longer than {START_TIMEOUT_S:g} s"
        raise WorkerDied(f"worker {index} {how} before it was ready; its log says why")
    message = ready.result()
    if message["event"] == "refused":
        raise ConfigError(message["message"])
    return Catalogue(message["pipelines"], message["failed_plugins"])


async def _kill(process: Process) -> None:
    if process.returncode is None:
        _signal(process.kill)
    await process.wait()


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except ProcessLookupError:
        return  # it ended meanwhile, which is what the signal asks for
