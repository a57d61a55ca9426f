"""Which areas of a picture stay covered so that nobody's face is shown, in doubt too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightmill.pipelines.neural.detector import overlaps

SAME_FACE_OVERLAP = 0.25
SHRINK_SHARE = 0.15
"""An area grows at once and shrinks by this share of the difference each frame."""
GROWTH_PER_S = 0.5
"""A face that is not seen has moved, nobody knows where to: this share of its size a second."""
MAX_STEP_S = 0.1
"""No frame ages an area by more: after a pause of the video nothing has run out."""
MAX_AREAS = 32
"""More faces than this, and the whole picture is covered."""


@dataclass(slots=True)
class _Area:
    box: np.ndarray
    unseen_s: float = 0.0


class Cover:
    """One session's. Areas are boxes x0, y0, x1, y1 in pixels; `update` is told each frame."""

    def __init__(self) -> None:
        self._areas: list[_Area] = []
        self._updated: float | None = None
        self.seen = False
        """Whether there ever was a face."""

    def update(self, faces: Sequence[np.ndarray], now: float, hold_s: float) -> list[np.ndarray]:
        """What to cover, given the boxes of the faces that are seen at ``now``."""
        step = 0.0 if self._updated is None else min(max(now - self._updated, 0.0), MAX_STEP_S)
        self._updated = now
        fresh = _joined(faces)
        self.seen = self.seen or bool(fresh)
        followed = [_Area(self._followed(box)) for box in fresh]
        lost = [area for area in self._areas if not any(_same(box, area) for box in fresh)]
        for area in lost:
            area.unseen_s += step
        self._areas = [*followed, *lost]
        self._areas = [area for area in self._areas if area.unseen_s <= hold_s]
        return [_grown(area) for area in self._areas]

    @property
    def overflows(self) -> bool:
        """Whether there are too many areas to trust them."""
        return len(self._areas) > MAX_AREAS

    def _followed(self, face: np.ndarray) -> np.ndarray:
        """The face's box, and what its area of the last frame still holds."""
        box = face
        for area in self._areas:
            if _same(face, area):
                grown = _grown(area)
                box = _union(box, grown + SHRINK_SHARE * (face - grown))
        return box


def _joined(faces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What two networks say of one face, as one box."""
    joined: list[np.ndarray] = []
    for face in faces:
        box = face.astype(np.float64)
        apart: list[np.ndarray] = []
        for other in joined:
            if overlaps(box, other[None])[0] > SAME_FACE_OVERLAP:
                box = _union(box, other)
            else:
                apart.append(other)
        joined = [*apart, box]
    return joined


def _same(face: np.ndarray, area: _Area) -> bool:
    return bool(overlaps(face, _grown(area)[None])[0] > SAME_FACE_OVERLAP)


def _grown(area: _Area) -> np.ndarray:
    half = (area.box[2:] - area.box[:2]) / 2 * GROWTH_PER_S * area.unseen_s
    return np.concatenate((area.box[:2] - half, area.box[2:] + half))


def _union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.concatenate((np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])))
