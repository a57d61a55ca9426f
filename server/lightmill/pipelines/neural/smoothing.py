"""The One Euro filter (Casiez, Roussel, Vogel, CHI 2012): still points rest, fast ones do not lag."""

from __future__ import annotations

import math

import numpy as np

FRAME_S = 1 / 30
"""Pipelines are not told when frames were taken; cutoffs in Hz are for 30 frames a second."""
SPEED_CUTOFF_HZ = 1.0


class OneEuro:
    """Smooths ``(N, D)`` points of one thing. ``size`` makes speed relative to how large it is."""

    def __init__(self, min_cutoff_hz: float, beta: float) -> None:
        self.min_cutoff_hz = min_cutoff_hz
        self.beta = beta
        self._last: np.ndarray | None = None
        self._speed = np.zeros(0)

    def __call__(self, points: np.ndarray, size: float) -> np.ndarray:
        """The next points, smoothed. Points that are not finite do not enter the state."""
        last = self._last
        if last is None or last.shape != points.shape or not np.isfinite(points).all():
            self._last, self._speed = points, np.zeros_like(points)
            return points
        speed = (points - last) / (max(size, 1.0) * FRAME_S)
        self._speed = self._speed + _share(SPEED_CUTOFF_HZ) * (speed - self._speed)
        pace = np.linalg.norm(self._speed, axis=1, keepdims=True)
        cutoff = self.min_cutoff_hz + self.beta * pace
        self._last = last + _share(cutoff) * (points - last)
        return self._last


def _share(cutoff_hz: float | np.ndarray) -> float | np.ndarray:
    """How much of a new value a low pass takes, in (0, 1)."""
    turn = 2 * math.pi * FRAME_S * cutoff_hz
    return turn / (turn + 1)
