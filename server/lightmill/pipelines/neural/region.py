"""Turned squares of a picture: cut out for a network, and its points brought back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lightmill.pipelines.opencv import cv2


@dataclass(frozen=True, slots=True)
class Region:
    """A square around ``(x, y)``, ``size`` wide, all in pixels of the picture.

    ``angle`` is how far its right-hand direction is turned from the picture's, in radians,
    clockwise as the picture is seen.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    def matrix(self, side: int) -> np.ndarray:
        """``(2, 3)``: from points of the cut-out, ``side`` wide, to points of the picture."""
        scale = self.size / side
        across, down = scale * math.cos(self.angle), scale * math.sin(self.angle)
        turn = np.array([[across, -down], [down, across]])
        middle = np.array([self.x, self.y])
        return np.column_stack((turn, middle - turn @ np.full(2, side / 2)))

    def crop(self, picture: np.ndarray, side: int) -> np.ndarray:
        """Cut out as ``(side, side, 3)`` uint8; black where the picture ends."""
        matrix = self.matrix(side)
        # OpenCV counts from the middle of the first pixel, we from its edge.
        matrix[:, 2] += matrix[:, :2] @ np.full(2, 0.5) - 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, (side, side), flags=flags)

    def back(self, points: np.ndarray, side: int) -> np.ndarray:
        """Points of the cut-out ``(N, 2 or 3)`` in pixels of the picture; depth keeps its scale to x."""
        matrix = self.matrix(side)
        placed = points.astype(np.float32)
        placed[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        placed[:, 2:] *= self.size / side
        return placed

    def spread(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """Bring a ``(side, side)`` picture of the cut-out back: ``(height, width)``, 0 around it."""
        matrix = self.matrix(mask.shape[0])
        matrix[:, 2] += matrix[:, :2] @ np.full(2, 0.5) - 0.5
        return cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR)

    def scaled(self, factor: float, *, up: float = 0.0) -> Region:
        """Larger by ``factor``; first moved by ``up`` of its size towards its own top."""
        step = up * self.size
        x, y = self.x + step * math.sin(self.angle), self.y - step * math.cos(self.angle)
        return Region(x, y, self.size * factor, self.angle)

    def overlap(self, other: Region) -> float:
        """Intersection over union of the two squares, turned upright, in [0, 1]."""
        reach = (self.size + other.size) / 2
        width = min(reach - abs(self.x - other.x), self.size, other.size)
        height = min(reach - abs(self.y - other.y), self.size, other.size)
        common = max(width, 0.0) * max(height, 0.0)
        union = self.size**2 + other.size**2 - common
        return common / union if union > 0 else 0.0


def bounding_region(points: np.ndarray, angle: float) -> Region:
    """The smallest square turned by ``angle`` that holds ``points`` ``(N, 2)``."""
    along = np.array([math.cos(angle), math.sin(angle)])
    axes = np.stack((along, np.array([-along[1], along[0]])))  # rows: right, down
    turned = points[:, :2] @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    x, y = (low + high) / 2 @ axes
    return Region(float(x), float(y), float((high - low).max()), angle)


def direction(start: np.ndarray, end: np.ndarray) -> float:
    """The angle of the way from ``start`` to ``end``: 0 to the right, positive clockwise."""
    return math.atan2(float(end[1] - start[1]), float(end[0] - start[0]))


def upright(start: np.ndarray, end: np.ndarray) -> float:
    """How far a body is turned whose way from ``start`` to ``end`` should lead up."""
    angle = direction(start, end) + math.pi / 2
    return math.remainder(angle, 2 * math.pi)
