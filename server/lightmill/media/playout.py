"""From bursts of chunks to an even stream: a pure schedule, and its owner on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame

SMOOTHING = 0.25
"""Weight of the newest chunk in the measured interval between frames."""
INTERVAL_LIMITS_S = (1 / 240, 1.0)
FIRST_INTERVAL_S = 1 / 30
CATCH_UP = 0.85
"""A backlog of more than a chunk and a half is played this much faster."""
MAX_BACKLOG_CHUNKS = 2


class PlayoutSchedule:
    """Decides when each frame leaves.

    Chunks of one frame leave at once. The frames of longer chunks are spread over the measured
    time between chunks. What is more than two chunks behind is dropped, oldest first, so that
    delay never builds up. With a fixed interval (text mode) frames leave at that pace.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._frames: deque[MediaFrame] = deque()
        self._chunk = 1
        self._measured_s: float | None = None
        self._fixed_s: float | None = None
        self._pushed_at: float | None = None
        self._due = 0.0
        self._last_due: float | None = None

    @property
    def pending(self) -> int:
        return len(self._frames)

    @property
    def interval_s(self) -> float:
        """Seconds between frames; 0 when they leave as they come."""
        if self._fixed_s is not None:
            return self._fixed_s
        return self._measured_s or FIRST_INTERVAL_S if self._chunk > 1 else 0.0

    def fixed_interval(self, seconds: float | None) -> None:
        self._fixed_s = seconds

    def push(self, frames: list[MediaFrame], now: float) -> None:
        if not frames:
            return
        self._measure(len(frames), now)
        if not self._frames:
            after = 0.0 if self._last_due is None else self._last_due + self.interval_s
            self._due = max(now, after)
        self._frames.extend(frames)
        while len(self._frames) > MAX_BACKLOG_CHUNKS * max(self._chunk, 1):
            self._frames.popleft()
            self.dropped += 1

    def _measure(self, count: int, now: float) -> None:
        if self._pushed_at is not None:
            low, high = INTERVAL_LIMITS_S
            seen = min(high, max(low, (now - self._pushed_at) / count))
            known = self._measured_s if count == self._chunk else None
            self._measured_s = seen if known is None else known + SMOOTHING * (seen - known)
        self._chunk = count
        self._pushed_at = now

    def next_due(self) -> float | None:
        return self._due if self._frames else None

    def pop(self, now: float) -> MediaFrame | None:
        """The frame that is due at ``now``, or ``None``."""
        if not self._frames or now < self._due:
            return None
        frame = self._frames.popleft()
        frame.released = now
        late = now - self._due > self.interval_s
        self._last_due = now if late else self._due
        behind = self._fixed_s is None and len(self._frames) > 1.5 * self._chunk
        self._due = self._last_due + self.interval_s * (CATCH_UP if behind else 1)
        return frame

    def remaining_s(self, now: float) -> float:
        """Seconds until a frame pushed now would leave."""
        after = 0.0 if self._last_due is None else self._last_due + self.interval_s
        if not self._frames:
            return max(0.0, after - now)
        return max(0.0, self._due - now) + len(self._frames) * self.interval_s

    def clear(self) -> None:
        """Forget what waits and what was measured."""
        self._frames.clear()
        self._pushed_at = self._measured_s = None


class Playout:
    """A `PlayoutSchedule` on the event loop. All methods belong to the loop's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.schedule = PlayoutSchedule()
        self._clock = clock
        self._changed = asyncio.Event()
        self._closed = False

    def push(self, frames: list[MediaFrame]) -> None:
        self.schedule.push(frames, self._clock())
        self._changed.set()

    def fixed_interval(self, seconds: float | None) -> None:
        self.schedule.fixed_interval(seconds)

    async def recv(self) -> MediaFrame:
        """Wait for the next frame's time and return it. Raises `Closed` at the end."""
        while not self._closed:
            frame = self.schedule.pop(self._clock())
            if frame is not None:
                return frame
            self._changed.clear()
            due = self.schedule.next_due()
            await self._sleep(None if due is None else due - self._clock())
        raise Closed("the playout is closed")

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def wait_room(self, lead_s: float) -> None:
        """Return when no more than ``lead_s`` seconds are left to play (text mode)."""
        while not self._closed:
            excess = self.schedule.remaining_s(self._clock()) - lead_s
            if excess <= 0:
                return
            await asyncio.sleep(excess)
        raise Closed("the playout is closed")

    def clear(self) -> None:
        self.schedule.clear()

    def close(self) -> None:
        """End `recv`. Idempotent."""
        self._closed = True
        self.schedule.clear()
        self._changed.set()
