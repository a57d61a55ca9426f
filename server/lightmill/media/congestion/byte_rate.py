"""Bytes that passed, as bits a second over a sliding window."""

from __future__ import annotations

from collections import deque

BUCKETS = 10
"""Parts of a window; the oldest leaves as a whole."""


class ByteRate:
    """Bits a second over the last ``window_s`` seconds, exact to a tenth of it.

    All times are seconds of one monotonic clock that the caller reads.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._step_s = window_s / BUCKETS
        self._buckets: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._open = 0
        self._opened_at: float | None = None
        self._closes_at = float("-inf")
        self._began_at = 0.0

    def add(self, size_bytes: int, now: float) -> None:
        if now >= self._closes_at:
            self._roll(now)
        self._open += size_bytes

    def bps(self, now: float) -> float:
        """The mean; a meter younger than its window divides by its age, half a window at least."""
        if self._opened_at is None:
            return 0.0
        self._forget(now)
        age = max(now - self._began_at, self._window_s / 2)
        return (self._sum + self._open) * 8 / min(age, self._window_s)

    def _roll(self, now: float) -> None:
        if self._opened_at is None:
            self._began_at = now
        elif self._open:
            self._buckets.append((self._opened_at, self._open))
            self._sum += self._open
        self._open = 0
        self._opened_at, self._closes_at = now, now + self._step_s
        self._forget(now)

    def _forget(self, now: float) -> None:
        oldest = now - self._window_s
        while self._buckets and self._buckets[0][0] < oldest:
            self._sum -= self._buckets.popleft()[1]
        if self._opened_at is not None and self._opened_at < oldest:
            self._open = 0
