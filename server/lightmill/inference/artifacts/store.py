"""Brings the files of pipelines, once for all sessions, and says what is there."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightmill.config import ArtifactsConfig
from lightmill.errors import ArtifactError, CacheUnwritable, Closed, Conflict, LightmillError
from lightmill.inference.artifacts.fetching import Order, fill, lock
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import (
    CachedFile,
    by_download,
    cache_directory,
    files_of,
    kind_of,
    source_of,
)
from lightmill.inference.artifacts.ledger import Ledger
from lightmill.inference.artifacts.progress import OnProgress, Progress, ignore
from lightmill.pipelines.artifacts import Artifact, Files
from lightmill.pipelines.config import BasePipelineConfig

logger = logging.getLogger(__name__)

FAREWELL_S = 3.0
"""What a stopped download gets to end. Its thread is a daemon: it can be left behind, because
nothing that it has not verified is ever used."""


class _Running:
    """A download under way and those who wait for it; with the last of them it stops."""

    def __init__(self, order: Order, job: Job, done: asyncio.Future[None]) -> None:
        self.job = job
        self.done = done
        self.paths = {file.path for file in order.files}
        self.last: Progress | None = None
        self.listeners: list[OnProgress] = []

    def tell(self, progress: Progress) -> None:
        self.last = progress
        for listener in list(self.listeners):
            listener(progress)


class ArtifactStore:
    """Owns the threads that download. ``declared`` tells every artifact that any pipeline has.

    What other pipelines need of a package comes along when it is downloaded for one.
    """

    def __init__(
        self, config: ArtifactsConfig, declared: Callable[[], Iterable[Artifact]] = tuple
    ) -> None:
        self.root = cache_directory(config.dir)
        self._config = config
        self._declared = declared
        self._ledger = Ledger()
        self._running: dict[str, _Running] = {}
        self._threads: set[asyncio.Future[None]] = set()
        self._ahead: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[Path, str] = {}
        self._closed = False

    async def fetch(
        self, config: type[BasePipelineConfig], on_progress: OnProgress = ignore
    ) -> Files:
        """The paths of all files that the pipeline declares, fetched where they are missing.

        Cancelling stops a download that nobody else waits for; what came is kept.

        Raises:
            ArtifactError: one cannot be had; the message says why and where it belongs.
            Closed: the store has been closed.

        """
        files = self._files(config.artifacts)
        for download, members in by_download(files).items():
            await self._bring(self._order(download, config.pipeline_id, members), on_progress)
        return {file.name: file.path for file in files}

    def fetch_ahead(self, config: type[BasePipelineConfig]) -> None:
        """Begin to fetch without waiting; `describe` tells how it goes."""
        if config.pipeline_id not in self._ahead and not self._closed:
            task = asyncio.ensure_future(self._fetch_ahead(config))
            self._ahead[config.pipeline_id] = task
            task.add_done_callback(lambda _: self._ahead.pop(config.pipeline_id, None))

    async def _fetch_ahead(self, config: type[BasePipelineConfig]) -> None:
        try:
            await self.fetch(config)
        except LightmillError as error:
            logger.warning("%s: %s", config.pipeline_id, error)

    async def describe(self, config: type[BasePipelineConfig]) -> list[dict[str, Any]]:
        """ARTIFACT of ``docs/protocol.md`` for each that the pipeline declares."""
        files = [self._files([artifact]) for artifact in config.artifacts]
        states = await asyncio.to_thread(self._states, files)
        return [
            self._describe(artifact, members, state)
            for artifact, members, state in zip(config.artifacts, files, states, strict=True)
        ]

    def _states(self, artifacts: Sequence[Sequence[CachedFile]]) -> list[str]:
        """The worst state of each artifact's files."""
        order = ("missing", "partial", "unchecked", "present")
        states = [{self._ledger.state(file) for file in files} for files in artifacts]
        return [next(state for state in order if state in found) for found in states]

    def _describe(
        self, artifact: Artifact, files: Sequence[CachedFile], state: str
    ) -> dict[str, Any]:
        running = self._running.get(next(iter(by_download(files))))
        progress = running.last if running is not None and state != "present" else None
        failures = [self._failures[f.path] for f in files if f.path in self._failures]
        return {
            "kind": kind_of(artifact),
            "names": list(artifact.names),
            "size_bytes": artifact.size_bytes,
            "licence": artifact.licence,
            "source": source_of(artifact),
            "state": state,
            "paths": [str(file.path) for file in files],
            "progress": progress and progress.to_json(),
            "error": failures[0] if failures and state != "present" else None,
        }

    async def remove(self, config: type[BasePipelineConfig]) -> None:
        """Delete the pipeline's files; pipelines that share one fetch it again when they need it.

        Raises:
            Conflict: one is being downloaded.
            CacheUnwritable: one cannot be deleted.

        """
        files = self._files(config.artifacts)
        await asyncio.to_thread(self._remove, config.pipeline_id, files)

    def _remove(self, pipeline: str, files: Sequence[CachedFile]) -> None:
        """Under the locks of their downloads, which other processes may have."""
        if not self.root.is_dir():
            return
        for download, members in by_download(files).items():
            try:
                with lock(self.root, download, lambda: _refuse_busy(pipeline)):
                    for file in members:
                        self._ledger.remove(file)
            except OSError as error:
                message = f"{members[0].path} could not be deleted: {error.strerror}"
                raise CacheUnwritable(message) from error

    def _files(self, artifacts: Iterable[Artifact]) -> list[CachedFile]:
        return [file for artifact in artifacts for file in files_of(artifact, self.root)]

    def _order(self, download: str, pipeline: str, members: Sequence[CachedFile]) -> Order:
        """Add what other pipelines need from the same download."""
        paths = {file.path for file in members}
        everything = by_download(self._declared_files()).get(download, [])
        others = {file.path: file for file in everything if file.path not in paths}
        return Order(download, pipeline, tuple(members), tuple(others.values()))

    def _declared_files(self) -> list[CachedFile]:
        """Without those that a plug-in declares wrongly: they fail when its own pipeline is loaded."""
        files: list[CachedFile] = []
        for artifact in self._declared():
            with suppress(ArtifactError):
                files += self._files([artifact])
        return files

    async def _bring(self, order: Order, on_progress: OnProgress) -> None:
        paths = {file.path for file in order.files}
        while True:
            running = self._running.get(order.download) or self._start(order)
            if paths <= running.paths:
                return await self._follow(order.download, running, on_progress)
            with suppress(LightmillError):  # another pipeline's files: their failure is not ours
                await self._follow(order.download, running, on_progress)

    async def _follow(self, download: str, running: _Running, on_progress: OnProgress) -> None:
        """Wait for a download; whoever leaves last stops it."""
        running.listeners.append(on_progress)
        if running.last is not None:
            on_progress(running.last)
        try:
            await asyncio.shield(running.done)
        finally:
            running.listeners.remove(on_progress)
            if not running.listeners and not running.done.done():
                self._stop(download, running)

    def _stop(self, download: str, running: _Running) -> None:
        """Forget it at once: who comes now starts another, which waits for this one's lock."""
        running.job.stop()
        if self._running.get(download) is running:
            del self._running[download]

    def _start(self, order: Order) -> _Running:
        if self._closed:
            raise Closed("the server is shutting down")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def from_thread(function: Callable[..., None], *arguments: object) -> None:
            with suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(function, *arguments)

        job = Job(self.root, self._config, lambda p: from_thread(running.tell, p))
        running = _Running(order, job, done)

        def work() -> None:
            try:
                fill(order, job, self._ledger)
                from_thread(self._finish, order, running, None)
            except BaseException as error:  # handed to those who wait
                from_thread(self._finish, order, running, error)

        self._running[order.download] = running
        self._threads.add(done)
        threading.Thread(target=work, name=f"fetch-{order.download}", daemon=True).start()
        return running

    def _finish(self, order: Order, running: _Running, error: BaseException | None) -> None:
        if self._running.get(order.download) is running:
            del self._running[order.download]
        self._threads.discard(running.done)
        for file in order.files:
            self._failures.pop(file.path, None)
            if error is not None and not isinstance(error, Closed):
                self._failures[file.path] = str(error)
        if running.done.done():
            return
        if error is None:
            running.done.set_result(None)
        else:
            running.done.set_exception(error)
            running.done.exception()  # nobody may wait any more

    async def aclose(self) -> None:
        """Stop every download. Idempotent."""
        self._closed = True
        for task in list(self._ahead.values()):
            task.cancel()
        await asyncio.gather(*self._ahead.values(), return_exceptions=True)
        for download, running in list(self._running.items()):
            self._stop(download, running)
        if self._threads:
            await asyncio.wait(self._threads, timeout=FAREWELL_S)
        if self._threads:
            logger.warning("%d downloads did not stop in time", len(self._threads))


def _refuse_busy(pipeline: str) -> None:
    raise Conflict(f"files of {pipeline} are being fetched; wait, or end the sessions that do so")
