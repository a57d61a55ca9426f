"""What effects that follow motion share: small gray pictures, optical flow, and warping by it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from lightmill.pipelines.opencv import Picture, cv2, resized

WORKING_LINES = 240
"""Motion is looked for at about this height: a quarter of the work at 480 lines, and steadier."""
CUT_RESIDUAL = 14.0
"""Levels: what differs on average after the motion was taken out, when the scene has changed."""


def shrink_factor(height: int) -> int:
    """By what a picture is divided before motion is looked for."""
    return max(1, round(height / WORKING_LINES))


def small_gray(picture: Picture) -> Picture:
    """RGB ``(H, W, 3)``, or Y ``(H, W)``, as gray of about `WORKING_LINES`."""
    height, width = picture.shape[:2]
    factor = shrink_factor(height)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    return resized(gray, width // factor, height // factor, cv2.INTER_AREA)


class Flow:
    """Dense inverse search (Kroeger et al., 2016) between gray pictures of one size."""

    LEAST_PX = 24
    """Below this height or width its patches find no room: nothing moves."""

    FINEST_SCALE: ClassVar = {"fast": 2, "fine": 1}
    """Patches end at 4 or at 2 pixels. Fine takes twice the time; fast leaves blocks."""

    def __init__(self, quality: Literal["fast", "fine"]) -> None:
        self._search: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(self.FINEST_SCALE[quality])

    def between(self, before: Picture, after: Picture) -> Picture:
        """``(H, W, 2)`` float32: where each pixel of ``before`` went, in pixels, x first."""
        if min(before.shape) < self.LEAST_PX:
            return np.zeros((*before.shape, 2), np.float32)
        return np.asarray(self._search.calc(before, after, None))


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> Picture:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def warped(picture: Picture, flow: Picture, share: float) -> Picture:
    """Look ``share * flow`` away for each pixel; the edge continues outside."""
    height, width = picture.shape[:2]
    at = cv2.scaleAdd(flow, share, _grid(height, width))
    return np.asarray(
        cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def difference(one: Picture, other: Picture) -> float:
    """Mean distance in levels."""
    return float(cv2.mean(cv2.absdiff(one, other))[0])
