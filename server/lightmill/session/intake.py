"""What comes into a session: counted and measured, the newest picture kept."""

from __future__ import annotations

from typing import Any

from lightmill.media.frames import MediaFrame
from lightmill.metrics import Rate

STALLED_AFTER_S = 2.0
"""Without a frame for this long a publisher counts as silent."""


class Intake:
    """Pictures of whoever publishes at the time; times are of the monotonic clock. Pure."""

    def __init__(self) -> None:
        self.newest: MediaFrame | None = None
        self._rate = Rate()
        self._n_frames = 0
        self._frame_at: float | None = None

    def take(self, frame: MediaFrame) -> bool:
        """Note a picture; whether it is the first one, or the first after silence."""
        now = frame.arrival
        begins = self._frame_at is None or now - self._frame_at > STALLED_AFTER_S
        self._n_frames += 1
        self._frame_at = now
        self.newest = frame
        self._rate.tick(now)
        return begins

    def publisher_left(self) -> None:
        """Nothing comes until another one is there."""
        self._frame_at = None

    def is_fresh(self, now: float) -> bool:
        """Whether a picture came just now."""
        return self._frame_at is not None and now - self._frame_at < STALLED_AFTER_S

    def describe(self, now: float, dropped: int) -> dict[str, Any]:
        """The ``input`` of a SESSION; ``dropped`` is what the pipeline had no time for."""
        fps, last = self._rate.value(now), self.newest and self.newest.frame
        return {
            "width": last and last.width,
            "height": last and last.height,
            "fps": None if fps is None else round(fps, 2),
            "frames": self._n_frames,
            "dropped": dropped,
        }
