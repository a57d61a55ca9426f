"""A coarse mask made fine: steady in time, and along the picture's own edges."""

from __future__ import annotations

import numpy as np

from lightmill.pipelines.opencv import Picture, cv2, resized

STILL, MOVING = 0.015, 0.08
"""Change of luma (of 1) up to which a place counts as still, and from which on as moving."""
LONGEST_MEMORY = 0.85
"""Share of the old mask that stays where nothing moves, at full smoothing."""
WINDOW_PX = 7
"""Of the guided filter, in the mask's pixels."""
EPSILON = 4e-3
"""Variance of luma (of 1) below which the guided filter sees no edge."""


class SteadyMask:
    """Averages masks over time where the picture stands still, and follows at once where it moves.

    The edge of somebody who sits does not flicker, and that of somebody who waves does not lag.
    """

    def __init__(self) -> None:
        self._mask: Picture | None = None
        self._luma: Picture | None = None

    def update(self, mask: Picture, luma: Picture, smoothing: float) -> Picture:
        """Take a mask and the luma it belongs to, both ``(h, w)`` float32 in [0, 1]."""
        if self._mask is None or self._luma is None or self._mask.shape != mask.shape:
            self._mask, self._luma = mask, luma
            return mask
        change = cv2.blur(cv2.absdiff(luma, self._luma), (5, 5))
        moving = np.clip((change - STILL) / (MOVING - STILL), 0, 1)
        keep = (1 - moving) * (smoothing * LONGEST_MEMORY)
        steady = mask + (self._mask - mask) * keep
        self._mask, self._luma = steady, luma
        return steady


def guided(mask: Picture, guide: Picture, luma: Picture) -> Picture:
    """Bring a mask to the size of ``luma`` with its edges where those of the picture are.

    The fast guided filter (He and Sun, 2015, arXiv:1505.00996): near each pixel the mask is a
    linear function of luma; its two coefficients are found in the small size and enlarged.
    ``mask`` and ``guide`` are ``(h, w)`` and ``luma`` is ``(H, W)``, float32 in [0, 1].
    """

    def mean(values: Picture) -> Picture:
        return cv2.blur(values, (WINDOW_PX, WINDOW_PX))

    mean_guide, mean_mask = mean(guide), mean(mask)
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = (mean(guide * mask) - mean_guide * mean_mask) / (variance + EPSILON)
    base = mean(mean_mask - slope * mean_guide)
    height, width = luma.shape
    fine = resized(mean(slope), width, height, cv2.INTER_LINEAR)
    np.multiply(fine, luma, out=fine)
    fine += resized(base, width, height, cv2.INTER_LINEAR)
    return fine


def hardened(mask: Picture, softness: float) -> Picture:
    """Stretch what lies around one half to [0, 1], in place; softness 1 leaves the mask as it is."""
    width = 0.1 + 0.9 * softness
    mask -= 0.5 - width / 2
    mask *= 1 / width
    return np.clip(mask, 0, 1, out=mask)
