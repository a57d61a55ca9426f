"""Small counters that a running stream is described by: rates, percentiles, log throttles.

All times are seconds of one monotonic clock that the caller reads, so that every class here is
pure. None is safe for use from several threads at once.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TypedDict


class Percentiles(TypedDict):
    """The median and the 95th percentile, in the unit of the values that were added."""

    p50: float
    p95: float


class Rate:
    """Events a second over the last ``window_s`` seconds."""

    def __init__(self, window_s: float = 2.0) -> None:
        self._window_s = window_s
        self._first: float | None = None
        self._times: deque[float] = deque()

    def tick(self, now: float) -> None:
        if self._first is None:
            self._first = now
        self._times.append(now)
        self._forget(now)

    def value(self, now: float) -> float | None:
        """Return the rate, or ``None`` while too few events have come to tell one.

        A stream that stops falls to 0 within the window; it does not become unknown again.
        """
        if self._first is None:
            return None
        self._forget(now)
        if now - self._first > self._window_s:
            return len(self._times) / self._window_s
        # The window is not full yet: n events mark n - 1 intervals.
        elapsed = self._times[-1] - self._first
        if elapsed <= 0:
            return None
        return (len(self._times) - 1) / elapsed

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._window_s:
            self._times.popleft()


class Window:
    """The last ``size`` values, for percentiles."""

    def __init__(self, size: int = 240) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, x: float) -> None:
        self._values.append(x)

    def percentile(self, p: float) -> float | None:
        """Return the nearest-rank percentile for ``p`` in [0, 100]; ``None`` without values."""
        if not self._values:
            return None
        return _nearest_rank(sorted(self._values), p)

    def summary(self) -> Percentiles | None:
        if not self._values:
            return None
        ordered = sorted(self._values)
        return {"p50": _nearest_rank(ordered, 50), "p95": _nearest_rank(ordered, 95)}


class Throttle:
    """Lets one of many equal events through each interval, and counts what it stands for.

    Use it as ``if throttle.ready(now): log.warning("dropped %d frames", throttle.count)``.
    """

    def __init__(self, interval_s: float = 1.0) -> None:
        self._interval_s = interval_s
        self._last: float | None = None
        self._pending = 0
        self.count = 0
        """Events since the one that was let through before, the current one included."""

    @property
    def suppressed(self) -> int:
        """Events held back since the last one that was let through."""
        return self._pending

    def ready(self, now: float) -> bool:
        """Count one event; return whether it may be logged now."""
        self._pending += 1
        if self._last is not None and now - self._last < self._interval_s:
            return False
        self._last = now
        self.count, self._pending = self._pending, 0
        return True


def _nearest_rank(ordered: list[float], p: float) -> float:
    rank = math.ceil(p / 100 * len(ordered))
    return ordered[min(max(rank, 1), len(ordered)) - 1]
