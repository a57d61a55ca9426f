"""The queue between ingest and a stage: bounded, never blocking, fair to time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame

# Two candidates whose spacing differs by less than this count as equal; the older one goes.
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """A snapshot of a queue; the counts grow from its creation on."""

    depth: int
    capacity: int
    received: int
    delivered: int
    dropped: int


class FrameQueue:
    """Frames that wait for a stage that takes ``input_size`` of them at a time.

    Capacity: ``max(2, 2 * input_size)`` frames: the chunk being waited for and one more.

    Drop rule: `put` never blocks. When the queue is full, it removes the one frame without which
    the others are spaced most evenly in time, counted from the last frame that was taken. The
    newest frame is never removed. Every drop is counted.

    Fairness: a stage that keeps up gets every frame, first in, first out. A stage that does not
    gets frames sampled evenly from all that came since its last chunk, in order, and the newest
    always among them, so that it sees the whole motion and never falls behind.

    All methods belong to one event loop's thread. `close` wakes everyone who waits.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_age_s: float = 0.05
    ) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._frames: list[MediaFrame] = []
        self._capacity = 2
        self._last_taken: float | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._closed = False
        self._received = 0
        self._delivered = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._frames)

    def configure(self, input_size: int) -> None:
        """Size the queue for chunks of ``input_size`` frames; a shrink keeps the newest ones."""
        if input_size < 1:
            raise ValueError(f"input_size must be at least 1, not {input_size}")
        self._capacity = max(2, 2 * input_size)
        surplus = len(self._frames) - self._capacity
        if surplus > 0:
            del self._frames[:surplus]
            self._dropped += surplus

    def put(self, frame: MediaFrame) -> None:
        """Append ``frame``; drop one by the class' rule if that is one too many.

        After `close` the frame is discarded.
        """
        if self._closed:
            return
        self._received += 1
        self._frames.append(frame)
        if len(self._frames) > self._capacity:
            arrivals = [queued.arrival for queued in self._frames]
            del self._frames[most_redundant(arrivals, self._last_taken)]
            self._dropped += 1
        self._wake()

    def ready(self, n: int) -> bool:
        return len(self._frames) >= n

    def take(self, n: int) -> list[MediaFrame]:
        """Remove and return ``n`` frames, oldest first; the caller has seen ``ready(n)``.

        Raises:
            ValueError: fewer than ``n`` frames are queued, or ``n`` is less than 1.

        """
        if n < 1 or not self.ready(n):
            raise ValueError(f"cannot take {n} of {len(self._frames)} frames; check ready() first")
        now = self._clock()
        if now - self._frames[n - 1].arrival < self._max_age_s:
            taken, self._frames = self._frames[:n], self._frames[n:]
        else:
            taken = [self._frames[index] for index in even_indices(len(self._frames), n)]
            self._dropped += len(self._frames) - n
            self._frames = []
        self._delivered += n
        self._last_taken = taken[-1].arrival
        for frame in taken:
            frame.dequeued = now
        return taken

    async def wait(self, n: int) -> None:
        """Return once ``ready(n)``; cancelling it changes nothing.

        Raises:
            Closed: the queue is closed, or was while waiting.

        """
        while not self._closed and not self.ready(n):
            waiter = asyncio.get_running_loop().create_future()
            entry = (n, waiter)
            self._waiters.append(entry)
            try:
                await waiter
            finally:
                self._waiters.remove(entry)
        if self._closed:
            raise Closed("the frame queue is closed")

    def clear(self) -> None:
        """Forget all queued frames, uncounted, and the time of the last chunk."""
        self._frames = []
        self._last_taken = None

    def close(self) -> None:
        """Discard everything and let every `wait` raise; closing again does nothing."""
        self._closed = True
        self.clear()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def statistics(self) -> QueueStatistics:
        return QueueStatistics(
            depth=len(self._frames),
            capacity=self._capacity,
            received=self._received,
            delivered=self._delivered,
            dropped=self._dropped,
        )

    def _wake(self) -> None:
        for n, waiter in self._waiters:
            if self.ready(n) and not waiter.done():
                waiter.set_result(None)


def even_indices(available: int, n: int) -> list[int]:
    """Return ``n`` ascending indices below ``available``, evenly spaced, the last one included."""
    return [(step + 1) * available // n - 1 for step in range(n)]


def most_redundant(arrivals: list[float], anchor: float | None) -> int:
    """Return the index whose removal leaves ``arrivals`` most evenly spaced; never the last.

    Evenness is the sum of the squared gaps over the square of their sum: smallest when all gaps
    are equal. With ``anchor``, the time of a frame before the first, the gap from it counts too,
    so removing the first frame widens that gap; without it, removing the first frame shortens the
    row. The oldest of equally good candidates is chosen.
    """
    times = arrivals if anchor is None else [anchor, *arrivals]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    squares, span = sum(gap * gap for gap in gaps), times[-1] - times[0]
    best, best_score = 0, float("inf")
    for index in range(len(arrivals) - 1):
        after = index if anchor is None else index + 1  # gaps[after] follows this frame
        if after == 0:
            score = _unevenness(squares - gaps[0] ** 2, span - gaps[0])
        else:
            score = _unevenness(squares + 2 * gaps[after - 1] * gaps[after], span)
        if score < best_score - TIE:
            best, best_score = index, score
    return best


def _unevenness(squares: float, span: float) -> float:
    return squares / (span * span) if span > 0 else 0.0
