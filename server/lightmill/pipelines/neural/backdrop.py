"""What stands behind people: the picture itself, blurred, or a colour or a picture instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from lightmill.pipelines.effects.frames import HEX_COLOUR, rgb_of_hex, yuv_of
from lightmill.pipelines.neural import images, planar
from lightmill.pipelines.neural.planar import Planes
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import YuvPlanes

__all__ = ["HEX_COLOUR", "Backdrops", "shown"]

GREEN = (0, 177, 64)
"""#00b140, the paint of green screens."""
REDUCED = 4
"""The blur is made in this part of the size."""
LARGEST_SIGMA = 0.035
"""Of the blur at full strength, as a share of the picture's height."""
LEAST_SHARE = 0.02
"""Of background near a pixel, below which its blur is the person's own colours."""


class Backdrops:
    """Makes the planes behind; keeps those that do not change from frame to frame."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._kept: Planes | None = None

    def planes(
        self, planes: Planes, alpha: Picture, picture: YuvPlanes, settings: dict[str, Any]
    ) -> Planes:
        """Planes of the picture's size, matrix and range."""
        kind = settings["background"]
        if kind == "blur":
            return blurred(planes, alpha, settings["blur_amount"])
        url = settings["backdrop_image"] if kind == "image" else ""
        colour = GREEN if kind == "green" else rgb_of_hex(settings["colour"])
        key = (url, colour, planes[0].shape, picture.matrix, picture.full_range)
        if self._kept is None or key != self._key:
            self._key, self._kept = key, _fixed(url, colour, picture)
        return self._kept


def _fixed(url: str, colour: tuple[int, int, int], picture: YuvPlanes) -> Planes:
    height, width = picture.y.shape
    if url:
        rgb = planar.covering(images.picture_of(url), width, height)
        return planar.planes_of(rgb, planar.yuv_from_rgb(picture.matrix, picture.full_range))
    levels = yuv_of(colour, picture.matrix, picture.full_range)
    sizes = ((height, width), tuple(picture.u.shape), tuple(picture.v.shape))
    y, u, v = (np.full(size, level, np.uint8) for size, level in zip(sizes, levels, strict=True))
    return y, u, v


def blurred(planes: Planes, alpha: Picture, strength: float) -> Planes:
    """Blur what is not of a person without smearing the person over it.

    Each pixel's weight is how much it is background, so that no halo in the person's colours
    stands around the person (a normalised convolution: Knutsson and Westin, 1993).
    """
    height, width = alpha.shape
    sigma = strength * LARGEST_SIGMA * height
    if sigma < 0.5:
        return planes
    wide, high = max(1, width // REDUCED), max(1, height // REDUCED)
    share = 1 - resized(alpha, wide, high, cv2.INTER_AREA)
    share += LEAST_SHARE
    total = 1 / cv2.GaussianBlur(share, (0, 0), sigma / REDUCED)
    made: list[Picture] = []
    for plane in planes:
        small = resized(plane, wide, high, cv2.INTER_AREA).astype(np.float32)
        spread = cv2.GaussianBlur(small * share, (0, 0), sigma / REDUCED) * total
        level = np.rint(spread).clip(0, 255).astype(np.uint8)
        made.append(resized(level, plane.shape[1], plane.shape[0], cv2.INTER_LINEAR))
    return made[0], made[1], made[2]


def shown(alpha: Picture, picture: YuvPlanes) -> Planes:
    """The mask as a picture: people are white."""
    black, white = (0, 255) if picture.full_range else (16, 235)
    y = np.rint(alpha * (white - black) + black).astype(np.uint8)
    u, v = (np.full(tuple(plane.shape), 128, np.uint8) for plane in (picture.u, picture.v))
    return y, u, v
