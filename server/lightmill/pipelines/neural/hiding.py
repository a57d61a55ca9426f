"""Making areas of a picture unrecognisable, in place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from lightmill.pipelines.opencv import cv2

How = Literal["blur", "pixelate", "solid"]

SOLID = (24, 24, 24)


def hide(picture: np.ndarray, boxes: Iterable[np.ndarray], how: How, blocks: int) -> None:
    """Cover the ellipses around ``boxes``, which hold them whole.

    Only ``blocks`` mean colours across each box stay of it; blur spreads the same few colours, so
    that it tells no more than blocks do.
    """
    source = picture.copy()
    for box in boxes:
        _hide_one(picture, source, box, how, blocks)


def hide_all(picture: np.ndarray, how: How, blocks: int) -> None:
    """Cover the whole picture."""
    if how == "solid":
        picture[:] = SOLID
    else:
        picture[:] = _coarse(picture, how, blocks)


def _hide_one(
    picture: np.ndarray, source: np.ndarray, box: np.ndarray, how: How, blocks: int
) -> None:
    height, width = picture.shape[:2]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * np.sqrt(2)
    x0, y0 = np.floor(np.maximum(middle - half, 0)).astype(int).tolist()
    x1, y1 = np.ceil(np.minimum(middle + half, (width, height))).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        return
    target = picture[y0:y1, x0:x1]
    if how == "solid":
        coarse = np.full_like(target, SOLID)
    else:
        coarse = _coarse(source[y0:y1, x0:x1], how, round(blocks * 1.4))
    mask = np.zeros(target.shape[:2], np.uint8)
    centre = tuple(np.rint(middle - (x0, y0)).astype(int).tolist())
    axes = tuple(np.ceil(half).astype(int).tolist())
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    np.copyto(target, coarse, where=mask[..., None].astype(bool))


def _coarse(patch: np.ndarray, how: How, blocks: int) -> np.ndarray:
    """The same size, with ``blocks`` mean colours across its longer side."""
    height, width = patch.shape[:2]
    scale = min(blocks / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    enlarge = cv2.INTER_CUBIC if how == "blur" else cv2.INTER_NEAREST
    return cv2.resize(small, (width, height), interpolation=enlarge)
