"""Everything but the people of a picture, dimmed or black."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lightmill.pipelines.neural.pose_net import Body
from lightmill.pipelines.opencv import cv2

Background = Literal["keep", "dim", "black"]

LIGHT_LEFT = {"dim": 0.25, "black": 0.0}


def shade(picture: np.ndarray, bodies: Sequence[Body], background: Background) -> np.ndarray:
    """A new ``(H, W, 3)`` picture; without anybody all of it counts as background."""
    if background == "keep":
        return picture.copy()
    height, width = picture.shape[:2]
    share = np.full((height, width), LIGHT_LEFT[background], np.float32)
    for body in bodies:
        person = 1 / (1 + np.exp(-np.clip(body.mask, -20, 20)))
        np.maximum(share, body.region.spread(person, height, width), out=share)
    weights = cv2.merge((share, share, share))
    return cv2.multiply(picture, weights, dtype=cv2.CV_8U)
