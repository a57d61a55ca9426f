"""How fast a rate may grow: with care near the rates at which the network was full."""

from __future__ import annotations

NEAR_BELOW, NEAR_ABOVE = 0.8, 1.06
"""A rate within these shares of a point is near it."""
APART = 1.6
"""Points closer than this factor are one; the newest is right."""
MOST_POINTS, MOST_AGE_S = 3, 120.0
EPISODE_S = 0.6
"""A cut this soon after another belongs to the same fall; only where it ends is a point."""
CAREFUL_GROWTH, ACCELERATION = 0.08, 0.2
"""Share added each second near a point (libwebrtc's growth), and by how much more of it each second
after that: what lies beyond is not known, and feedback takes a second."""


class FullPoints:
    """A few rates (bits per second) with the times at which they were seen, oldest first."""

    def __init__(self, growth: float) -> None:
        """``growth`` is the share that may be added each second far from all points."""
        self._growth = growth
        self._points: list[tuple[float, float]] = []
        self._open: tuple[float, float] | None = None
        self._near_at = float("-inf")

    def growth(self, bps: float, now: float) -> float:
        """The share that may be added to ``bps`` each second."""
        if self._near(bps, now):
            self._near_at = now
        return min(self._growth, CAREFUL_GROWTH + ACCELERATION * (now - self._near_at))

    def remember(self, bps: float, now: float) -> None:
        """Add a point, or lower the last one while a fall goes on."""
        falls = self._open is not None and now - self._open[1] < EPISODE_S
        if not falls:
            self._close()
        self._open = (bps, now)

    def _near(self, bps: float, now: float) -> bool:
        if self._open is not None and now - self._open[1] >= EPISODE_S:
            self._close()
        # A point that lies below is passed, and so was wrong.
        self._points = [
            point
            for point in self._points
            if bps < NEAR_ABOVE * point[0] and now - point[1] < MOST_AGE_S
        ]
        return any(bps > NEAR_BELOW * point[0] for point in self._points)

    def _close(self) -> None:
        if self._open is None:
            return
        bps = self._open[0]
        others = [one for one in self._points if not bps / APART < one[0] < APART * bps]
        self._points = [*others, self._open][-MOST_POINTS:]
        self._open = None
