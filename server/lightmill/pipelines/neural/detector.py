"""Single-shot detectors of the BlazeFace family (Bazarevsky et al., 2019): boxes with key points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lightmill.pipelines.neural.anchors import ANCHORS_PER_LAYER, anchor_centres
from lightmill.pipelines.opencv import cv2

SAME_THING_OVERLAP = 0.3
"""Boxes that overlap more show the same thing; from the networks' published graphs."""
LOGIT_LIMIT = 80.0
"""exp() of float32 overflows beyond 88."""

Run = Callable[[np.ndarray], list[np.ndarray]]
"""``(1, side, side, 3)`` float32 in, the outputs in the file's order out."""


@dataclass(frozen=True, slots=True)
class DetectorShape:
    """What the network was trained with: input size, layers' strides, range of the input."""

    input_px: int
    strides: tuple[int, ...]
    darkest: float = 0.0
    """What black becomes; white is 1."""
    per_layer: int = ANCHORS_PER_LAYER


@dataclass(frozen=True, slots=True)
class Detection:
    """``box`` is x0, y0, x1, y1 and ``keypoints`` ``(K, 2)``, in pixels of the picture."""

    score: float
    box: np.ndarray
    keypoints: np.ndarray


class Detector:
    """Finds what one network was trained for; holds no state between pictures."""

    def __init__(self, run: Run, shape: DetectorShape) -> None:
        self._run = run
        self._shape = shape
        self._centres = anchor_centres(shape.input_px, shape.strides, shape.per_layer)

    def __call__(self, picture: np.ndarray, min_score: float) -> list[Detection]:
        """Everything found in ``(H, W, 3)`` uint8 RGB, the surest first."""
        side, darkest = self._shape.input_px, self._shape.darkest
        boxed, scale, left, top = letterbox(picture, side)
        outputs = self._run(normalise(boxed, darkest))
        values, logits = sorted(outputs, key=lambda output: -output.shape[-1])
        rows, scores = decode(values[0], logits[0, :, 0], self._centres, side, min_score)
        rows, scores = merge(rows, scores)
        points = (
            rows.reshape(len(rows), rows.shape[1] // 2, 2) - (left, top)
        ) / scale  # (N, 2 + K, 2)
        return [
            Detection(float(score), each[:2].reshape(4), each[2:])
            for score, each in zip(scores, points, strict=True)
        ]


def letterbox(picture: np.ndarray, side: int) -> tuple[np.ndarray, float, int, int]:
    """Fit into a black square; returns it, the scale, and the margins left and top in pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square = np.zeros((side, side, 3), np.uint8)
    shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    square[top : top + size[1], left : left + size[0]] = shrunk
    return square, scale, left, top


def normalise(picture: np.ndarray, darkest: float = 0.0) -> np.ndarray:
    """``(S, S, 3)`` uint8 as ``(1, S, S, 3)`` float32 in [``darkest``, 1]."""
    scaled = np.multiply(picture, np.float32((1 - darkest) / 255), dtype=np.float32)
    if darkest:
        scaled += np.float32(darkest)
    return scaled[None]


def decode(
    values: np.ndarray, logits: np.ndarray, centres: np.ndarray, side: int, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Anchors' outputs that are sure enough, as rows of points in pixels of the input.

    ``values`` ``(N, 4 + 2K)``: centre offset, width and height, then points, relative to the
    anchor's centre. Returns ``(M, 4 + 2K)`` with corners for the box, and ``(M,)`` scores.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT)))
    keep = np.flatnonzero((scores >= min_score) & np.isfinite(values).all(axis=1))
    rows = values[keep].astype(np.float32)
    middles = centres[keep] * side
    sizes = rows[:, 2:4].copy()
    rows[:, 2:4] = 0
    rows += np.tile(middles, rows.shape[1] // 2)
    rows[:, 2:4] = rows[:, :2] + sizes / 2
    rows[:, :2] -= sizes / 2
    return rows, scores[keep]


def merge(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join what overlaps to its mean, weighted by score: steadier than keeping only the best.

    Returns rows and scores, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    joined: list[np.ndarray] = []
    best: list[float] = []
    while len(rows):
        same = overlaps(rows[0, :4], rows[:, :4]) > SAME_THING_OVERLAP
        same[0] = True
        joined.append(np.average(rows[same], axis=0, weights=scores[same]))
        best.append(float(scores[0]))
        rows, scores = rows[~same], scores[~same]
    shape = (len(joined), rows.shape[1])
    return np.array(joined, np.float32).reshape(shape), np.array(best, np.float32)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of ``box`` ``(4,)`` with each of ``boxes`` ``(N, 4)``."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    union = np.clip(box[2:] - box[:2], 0, None).prod() + areas - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
