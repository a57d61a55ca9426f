"""One fetch under way, as its fetcher sees it: limits, a way to tell progress, a way to stop."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic

from lightmill.config import ArtifactsConfig
from lightmill.errors import Closed
from lightmill.inference.artifacts.progress import OnProgress, Phase, Progress

REPORT_INTERVAL_S = 0.2


class Job:
    """Used by the fetching thread; only `stop` is for others."""

    def __init__(self, root: Path, config: ArtifactsConfig, on_progress: OnProgress) -> None:
        self.root = root
        self.config = config
        self._on_progress = on_progress
        self._stopped = threading.Event()
        self._file: str | None = None
        self._told_at = 0.0

    def stop(self) -> None:
        """Let the fetcher raise at its next `check`. Idempotent."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise `Closed` when the fetch is to stop."""
        if self._stopped.is_set():
            raise Closed("the download was stopped; what is there is kept for the next one")

    def report(self, file: str, done_bytes: int | None, total_bytes: int | None) -> None:
        """Tell how far ``file`` is, at most every `REPORT_INTERVAL_S` besides its start and end."""
        self.check()
        now = monotonic()
        is_end = done_bytes is not None and done_bytes == total_bytes
        if file == self._file and not is_end and now - self._told_at < REPORT_INTERVAL_S:
            return
        self._file, self._told_at = file, now
        self._on_progress(Progress(Phase.DOWNLOAD, file, done_bytes, total_bytes))
