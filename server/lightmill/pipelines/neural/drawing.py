"""Lines and dots over a picture, as thick as its size asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lightmill.pipelines.opencv import cv2

Colour = tuple[int, int, int]
Lines = Sequence[tuple[int, int]]
"""Pairs of point numbers."""

SUBPIXEL_BITS = 4
"""OpenCV draws at fractions of a pixel; whole pixels would make slow movement jump."""


def line_width(picture: np.ndarray) -> int:
    """2 pixels at 480 lines."""
    return max(1, round(min(picture.shape[:2]) / 200))


def draw_lines(
    picture: np.ndarray, points: np.ndarray, lines: Lines, colour: Colour, width: int
) -> None:
    """Draw in place; ``points`` ``(N, 2 or 3)`` in pixels."""
    fixed = _fixed(points)
    ends = np.asarray(lines, np.intp).reshape(-1, 2)
    cv2.polylines(picture, list(fixed[ends]), False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_dots(picture: np.ndarray, points: np.ndarray, colour: Colour, radius: int) -> None:
    """Draw filled circles in place."""
    for x, y in _fixed(points).tolist():
        cv2.circle(picture, (x, y), radius << SUBPIXEL_BITS, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_box(
    picture: np.ndarray, box: Iterable[float], label: str, colour: Colour, width: int
) -> None:
    """Draw x0, y0, x1, y1 in place, with a label on its upper edge."""
    x0, y0, x1, y1 = (round(min(max(each, -1e4), 1e4)) for each in box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, width, cv2.LINE_AA)
    if label:
        write(picture, label, (x0, y0 - 2 * width), colour, width)


def write(picture: np.ndarray, text: str, at: tuple[int, int], colour: Colour, width: int) -> None:
    """Write with a dark outline, so that it can be read on anything; ``at`` is the lower left."""
    scale = 0.3 * width
    for shade, extra in (((0, 0, 0), 2), (colour, 0)):
        cv2.putText(
            picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, shade,
            max(width // 2, 1) + extra, cv2.LINE_AA,
        )  # fmt: skip


def _fixed(points: np.ndarray) -> np.ndarray:
    """Fixed-point ``(N, 2)``; far outside is brought near, where OpenCV cannot overflow."""
    clipped = np.clip(points[:, :2], -1e4, 1e4)
    return np.rint(clipped * (1 << SUBPIXEL_BITS)).astype(np.int32)
