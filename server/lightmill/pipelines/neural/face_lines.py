"""Which of the 468 points of a face are joined: its features, and a net over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lightmill.pipelines.neural.drawing import Lines
from lightmill.pipelines.opencv import cv2

# The numbering is the network's; each row walks along one feature.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10,
)  # fmt: skip
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263)
RIGHT_BROW = (70, 63, 105, 66, 107)
LEFT_BROW = (300, 293, 334, 296, 336)
NOSE = (168, 6, 197, 195, 5, 4)
OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61,
)  # fmt: skip
INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78,
)  # fmt: skip
FEATURES = (OVAL, RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW, NOSE, OUTER_LIPS, INNER_LIPS)

NAMED_POINTS = {
    "right_eye": 33,
    "left_eye": 263,
    "nose": 1,
    "mouth_right": 61,
    "mouth_left": 291,
    "chin": 152,
    "forehead": 10,
}
"""Outer corners of the eyes; right is the person's own right."""


def walk(features: Sequence[Sequence[int]] = FEATURES) -> Lines:
    """The lines along ``features``."""
    return [pair for feature in features for pair in pairwise(feature)]


def net_over(points: np.ndarray) -> Lines:
    """The edges of the Delaunay triangulation of ``(N, 2 or 3)`` points of a frontal face."""
    flat = points[:, :2].astype(np.float32)
    low, high = np.floor(flat.min(axis=0)) - 1, np.ceil(flat.max(axis=0)) + 2
    width, height = (int(each) for each in high - low)
    mesh = cv2.Subdiv2D((int(low[0]), int(low[1]), width, height))
    places = [(float(point[0]), float(point[1])) for point in flat]
    mesh.insert(places)
    numbers = {place: number for number, place in enumerate(places)}
    lines: set[tuple[int, int]] = set()
    triangles = np.asarray(mesh.getTriangleList(), np.float32).reshape(-1, 3, 2)
    for triangle in triangles:
        # A corner without a number belongs to the frame around all.
        corners = [numbers.get((float(corner[0]), float(corner[1]))) for corner in triangle]
        for start, end in pairwise([*corners, corners[0]]):
            if start is not None and end is not None:
                lines.add((min(start, end), max(start, end)))
    return sorted(lines)
