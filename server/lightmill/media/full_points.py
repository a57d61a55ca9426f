"""The rates at which a network was full: near them, more is tried with care."""

from __future__ import annotations

NEAR_BELOW, NEAR_ABOVE = 0.8, 1.06
"""A rate within these shares of a point is near it."""
MOST_POINTS, MOST_AGE_S = 3, 120.0


class FullPoints:
    """A few rates (bits per second) with the times at which they were seen, newest last."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []

    def remember(self, bps: float, now: float) -> None:
        """Add a point; those near it are replaced."""
        others = [
            (point, at)
            for point, at in self._points
            if not NEAR_BELOW * bps < point < NEAR_ABOVE * bps and now - at < MOST_AGE_S
        ]
        self._points = [*others, (bps, now)][-MOST_POINTS:]

    def near(self, bps: float, now: float) -> bool:
        """Whether the network was full near ``bps``; points below that are forgotten as passed."""
        self._points = [
            (point, at)
            for point, at in self._points
            if bps < NEAR_ABOVE * point and now - at < MOST_AGE_S
        ]
        return any(bps > NEAR_BELOW * point for point, _ in self._points)
