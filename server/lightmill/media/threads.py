"""The threads that decode and encode, for all sessions together."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

logger = logging.getLogger(__name__)


class CodecThreads:
    """Runs work first come, first served; codecs release the GIL while they compute.

    Each decoder and each encoder has at most one piece of work here, so the queue is bounded by
    their number. A `ThreadPoolExecutor` would make a future, a lock and a condition for each frame,
    twice the cost of the hand-over, and nobody would look at them.
    """

    def __init__(self, n_threads: int = 0) -> None:
        """Start ``n_threads``; 0: one for each core."""
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"codec-{number}", daemon=True)
            for number in range(n_threads or os.cpu_count() or 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread; what it raises is logged."""
        self._work.put(work)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                logger.exception("work in a codec thread failed")

    def close(self) -> None:
        """End the threads after the work that waits; blocks until then. Idempotent."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._work.put(None)
        for thread in threads:
            thread.join()
