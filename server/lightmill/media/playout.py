"""From bursts of chunks to an even stream: a pure schedule, and its owner on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame
from lightmill.media.pacing import FIRST_FRAME_S, ChunkPace

RECENT_CHUNKS = 4
"""The longest of so many bounds the backlog, so that a change of size drops nothing."""
MAX_BACKLOG_CHUNKS = 2
CATCH_UP = 0.95
"""With a fixed interval, a backlog of more than two chunks is played this much faster."""
LEFTOVER_SPEED = 0.5
"""What is left of long chunks leaves at this share of its interval once single frames come."""


class PlayoutSchedule:
    """Decides when each frame leaves.

    Chunks of one frame leave at once. The frames of longer chunks are spread evenly, with a delay
    that covers the chunks' jitter (`ChunkPace`); while there is none to show, nothing leaves and
    the last one stays. What is more than two chunks behind is dropped, oldest first, so that
    delay never builds up. With a fixed interval (text mode) frames leave at that pace.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._frames: deque[MediaFrame] = deque()
        self._pace = ChunkPace()
        self._sizes: deque[int] = deque(maxlen=RECENT_CHUNKS)
        self._fixed_s: float | None = None
        self._due = 0.0
        self._next_s: float | None = None

    @property
    def pending(self) -> int:
        return len(self._frames)

    @property
    def interval_s(self) -> float:
        """Seconds between frames; 0 when they leave as they come."""
        if self._fixed_s is not None:
            return self._fixed_s
        known_s = self._pace.frame_s or FIRST_FRAME_S
        if self._pace.chunk > 1:
            return known_s
        return LEFTOVER_SPEED * known_s if len(self._frames) > 1 and self._mixed else 0.0

    @property
    def _mixed(self) -> bool:
        return max(self._sizes, default=1) > 1

    def fixed_interval(self, seconds: float | None) -> None:
        self._fixed_s = seconds

    def push(self, frames: list[MediaFrame], now: float) -> None:
        if not frames:
            return
        ends = self._ends_at()
        slack_s = None if ends is None else ends - now
        continues = self._pace.arrived(len(frames), now, slack_s)
        self._sizes.append(len(frames))
        if not self._frames:
            self._due = now if ends is None else max(now, ends)
            if self._fixed_s is None and not self._mixed:
                self._due = now
            if continues and ends is not None:
                self._pace.moved(self._due - ends)
        self._frames.extend(frames)
        self._bound()

    def _ends_at(self) -> float | None:
        """When the frame after the last pending one is due."""
        if self._frames:
            return self._due + len(self._frames) * self.interval_s
        return self._next_s

    def _bound(self) -> None:
        most = MAX_BACKLOG_CHUNKS * max(self._sizes) + (self._fixed_s is not None)
        excess = len(self._frames) - most
        for _ in range(excess):
            self._frames.popleft()
        if excess > 0:
            self.dropped += excess
            self._pace.moved(-excess * self.interval_s)

    def next_due(self) -> float | None:
        return self._due if self._frames else None

    def pop(self, now: float) -> MediaFrame | None:
        """The frame that is due at ``now``, or ``None``."""
        if not self._frames or now < self._due:
            return None
        interval_s = self.interval_s
        frame = self._frames.popleft()
        frame.released = now
        late_s = now - self._due
        if late_s > interval_s:
            self._due = now
            self._pace.moved(late_s)
        step_s = self._step_s(interval_s)
        self._pace.moved(step_s - interval_s)
        self._due += step_s
        self._next_s = self._due
        return frame

    def _step_s(self, interval_s: float) -> float:
        if self._fixed_s is not None:
            behind = len(self._frames) >= MAX_BACKLOG_CHUNKS * max(self._sizes)
            return interval_s * (CATCH_UP if behind else 1)
        return self._pace.step_s() if self._pace.chunk > 1 else interval_s

    def remaining_s(self, now: float) -> float:
        """Seconds until a frame pushed now would leave."""
        ends = self._ends_at()
        return 0.0 if ends is None else max(0.0, ends - now)

    def clear(self) -> None:
        """Forget what waits and what was measured."""
        self._frames.clear()
        self._sizes.clear()
        self._pace.restart()


class Playout:
    """A `PlayoutSchedule` on the event loop: ``on_frame`` gets each frame at its time.

    A frame that is due when it comes passes within `push`. All methods belong to the loop's thread.
    """

    def __init__(
        self, on_frame: Callable[[MediaFrame], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.schedule = PlayoutSchedule()
        self._on_frame = on_frame
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def push(self, frames: list[MediaFrame]) -> None:
        """Play these frames after those that wait; nothing once closed."""
        if self._closed:
            return
        self.schedule.push(frames, self._clock())
        self._release()

    def _release(self) -> None:
        """Hand over what is due, and come back when the next frame is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (frame := self.schedule.pop(self._clock())) is not None:
            self._on_frame(frame)
        due = self.schedule.next_due()
        if due is not None and not self._closed:
            self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._release)

    def fixed_interval(self, seconds: float | None) -> None:
        self.schedule.fixed_interval(seconds)

    async def wait_room(self, lead_s: float, n_coming: Callable[[], int] = lambda: 0) -> None:
        """Return when no more than ``lead_s`` seconds are left to play (text mode).

        ``n_coming`` tells how many frames are on their way here already.

        Raises:
            Closed: the playout is closed.

        """
        while not self._closed:
            coming_s = n_coming() * self.schedule.interval_s
            excess = self.schedule.remaining_s(self._clock()) + coming_s - lead_s
            if excess <= 0:
                return
            await asyncio.sleep(excess)
        raise Closed("the playout is closed")

    def clear(self) -> None:
        self.schedule.clear()

    def close(self) -> None:
        """Forget what waits; no frame comes any more. Idempotent."""
        self._closed = True
        self.schedule.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
