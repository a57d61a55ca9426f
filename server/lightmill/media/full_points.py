"""The rates at which a network was full: near them, more is tried with care."""

from __future__ import annotations

NEAR_BELOW, NEAR_ABOVE = 0.8, 1.06
"""A rate within these shares of a point is near it."""
APART = 1.6
"""Points closer than this factor are one; the newest is right."""
MOST_POINTS, MOST_AGE_S = 3, 120.0
EPISODE_S = 0.6
"""A cut this soon after another belongs to the same fall; only where it ends is a point."""


class FullPoints:
    """A few rates (bits per second) with the times at which they were seen, oldest first."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []

    def remember(self, bps: float, now: float) -> None:
        """Add a point; those close to it are replaced, and so is the last one while a fall goes on."""
        if self._points and now - self._points[-1][1] < EPISODE_S and bps < self._points[-1][0]:
            self._points.pop()
        others = [point for point in self._points if not bps / APART < point[0] < APART * bps]
        self._points = [*others, (bps, now)][-MOST_POINTS:]

    def near(self, bps: float, now: float) -> bool:
        """Whether the network was full near ``bps``; points below that are forgotten as passed."""
        self._points = [
            point
            for point in self._points
            if bps < NEAR_ABOVE * point[0] and now - point[1] < MOST_AGE_S
        ]
        return any(bps > NEAR_BELOW * point[0] for point in self._points)
