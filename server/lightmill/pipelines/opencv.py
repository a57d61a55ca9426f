"""The one door to OpenCV: ``from lightmill.pipelines.opencv import cv2``.

By itself OpenCV spreads each call over all cores, which gains little on pictures of this size (5 %
for a bilateral filter, at twice the CPU time) and takes the cores of the sessions beside it.
The number of threads is one for the whole process, and so it is set where OpenCV is imported.
"""

from __future__ import annotations

from typing import Any

import cv2 as typed_cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Picture", "cv2"]

Picture = NDArray[Any]
"""``(H, W, 3)`` uint8 RGB, ``(H, W)`` uint8 for one plane, unless a docstring says otherwise."""

cv2: Any = typed_cv2
"""Untyped: the stubs of OpenCV 5.0 refuse the numbers and the ``None`` that its functions take."""

cv2.setNumThreads(1)


def resized(picture: Picture, width: int, height: int, interpolation: int) -> Picture:
    """Resize; unlike OpenCV never to less than one pixel."""
    size = (max(1, width), max(1, height))
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation))
