"""What a session waits for while a pipeline is loaded, told at a rate that a page can draw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

from lightmill.errors import Closed
from lightmill.inference.artifacts.progress import OnProgress, Phase, Progress

T = TypeVar("T")

TELL_INTERVAL_S = 0.2


class Loading:
    """Follows the session's loads; `cancel` ends them and refuses more. ``on_change`` hears of news."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._tasks: set[asyncio.Future[Any]] = set()  # Any: results of every kind
        self._shown: tuple[str, Progress] | None = None
        self._told_at = 0.0
        self._cancelled = False

    async def run(self, pipeline_id: str, work: Callable[[OnProgress], Awaitable[T]]) -> T:
        """Load a pipeline by ``work``, which gets the callback that shows its progress.

        Raises:
            Closed: the session ended meanwhile.

        """
        self._refuse_cancelled()
        task = asyncio.ensure_future(work(lambda progress: self._tell(pipeline_id, progress)))
        self._tasks.add(task)
        try:
            await asyncio.wait([task])
            if task.cancelled():
                self._refuse_cancelled()
            return task.result()
        finally:
            task.cancel()
            self._tasks.discard(task)
            self._shown = None

    def _refuse_cancelled(self) -> None:
        if self._cancelled:
            raise Closed("the session was ended while its pipeline was being loaded")

    def _tell(self, pipeline_id: str, progress: Progress) -> None:
        now, before = monotonic(), self._shown
        is_news = before is None or (before[0], before[1].phase) != (pipeline_id, progress.phase)
        self._shown = (pipeline_id, progress)
        if is_news or now - self._told_at >= TELL_INTERVAL_S:
            self._told_at = now
            self._on_change()

    def to_json(self) -> dict[str, Any] | None:
        """``loading`` of a SESSION; ``None`` while nothing is loaded."""
        if self._shown is None:
            return None
        pipeline_id, progress = self._shown
        return {"pipeline": pipeline_id, **progress.to_json()}

    @property
    def line(self) -> str:
        """The same in a few words, for the card that viewers see meanwhile."""
        if self._shown is None or self._shown[1].phase is not Phase.DOWNLOAD:
            return "The pipeline is being loaded."
        done, total = self._shown[1].done_bytes, self._shown[1].total_bytes
        share = f": {100 * done // total} %" if done is not None and total else ""
        return f"Its files are being fetched{share}."

    def cancel(self) -> None:
        """End what is being loaded, and refuse more. Idempotent."""
        self._cancelled = True
        for task in list(self._tasks):
            task.cancel()
