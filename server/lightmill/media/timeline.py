"""A source's timestamps as one timeline that never runs backwards, and when each is due. Pure."""

from __future__ import annotations

JUMP_S = 2.0
"""A picture this far from the last one begins another timeline of the stream."""
LATE_S = 0.5
"""A picture this late moves the whole timeline instead of being chased."""
INTERVAL_S = 1 / 30
"""Between pictures, while the stream does not say."""


class Timeline:
    """Media seconds from 0 on; the picture leads, and sound is placed beside it."""

    def __init__(self) -> None:
        self.interval_s = INTERVAL_S
        self._offset: float | None = None
        self._last_s: float | None = None
        self._started: float | None = None

    def place(self, pts_s: float | None) -> float:
        """Where a picture stands; after `restart` or a jump it follows the last one."""
        follows = 0.0 if self._last_s is None else self._last_s + self.interval_s
        if pts_s is None:
            self._last_s = follows
            return follows
        if self._offset is None:
            self._offset = follows - pts_s
        media_s = pts_s + self._offset
        if self._last_s is not None and not 0 < media_s - self._last_s < JUMP_S:
            self._offset = follows - pts_s
            media_s = follows
        self._last_s = media_s
        return media_s

    def place_sound(self, pts_s: float) -> float | None:
        """Where sound stands; ``None`` before the first picture, and where it belongs to none."""
        if self._offset is None or self._last_s is None:
            return None
        media_s = pts_s + self._offset
        return media_s if abs(media_s - self._last_s) < JUMP_S else None

    def sound_due(self, media_s: float, now: float) -> float:
        """When sound shall be heard; it never moves the timeline."""
        return now if self._started is None else self._started + media_s

    def due(self, media_s: float, now: float) -> float:
        """When it shall be shown, on the clock of ``now``."""
        if self._started is None or now - (self._started + media_s) > LATE_S:
            self._started = now - media_s
        return self._started + media_s

    def restart(self) -> None:
        """The stream begins again: what comes next follows the last picture."""
        self._offset = None

    def reconnected(self) -> None:
        """The stream begins again after a pause."""
        self.restart()
        self._started = None
