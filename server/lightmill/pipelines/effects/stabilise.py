"""A shaking camera held still, in real time: nothing waits for later frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings
from lightmill.pipelines.effects.motion import shrink_factor, small_gray
from lightmill.pipelines.opencv import Picture, cv2
from lightmill.planes import YuvPlanes

MAX_POINTS = 160
FEW_POINTS = 80
"""With fewer tracked, new ones are looked for in the next picture."""
LEAST_POINTS = 10
LEAST_AGREEING = 0.4
"""Share of the points that must move as one; fewer is a cut, or a crowd, and starts anew."""
RANSAC_PX = 1.5
FIT_STEPS = 7


class StabiliseConfig(BasePipelineConfig):
    """How steady, and how much of the edge that may cost."""

    pipeline_id: ClassVar[str] = "stabilise"
    pipeline_name: ClassVar[str] = "Stabilise"
    pipeline_description: ClassVar[str] = "Holds a shaking camera still, without waiting."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tripod": {"smoothing": 0.985, "crop": 0.25},
        "gentle": {"smoothing": 0.85, "crop": 0.06},
    }

    smoothing: float = Field(
        default=0.94,
        ge=0,
        le=0.995,
        description="How slowly the picture follows the camera: 0 at once, 0.94 in half a second",
        json_schema_extra=ui_field_config(order=1, label="Smoothing"),
    )
    crop: float = Field(
        default=0.12,
        ge=0,
        le=0.4,
        description="Share of the picture given up at the edges: the room to move in. "
        "With 0 nothing can be held",
        json_schema_extra=ui_field_config(order=2, label="Crop"),
    )
    rotation: bool = Field(
        default=True, description="Also holds the horizon",
        json_schema_extra=ui_field_config(order=3, label="Rotation"),
    )  # fmt: skip


class Stabilise(PlaneEffect):
    """Tracks corners, adds up the camera's way, and moves each picture to the smoothed way.

    A way is ``(x, y, angle, log scale)``: pixels of the small picture at its centre, and radians.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._before: Picture | None = None  # (h, w) gray
        self._points: Picture = np.empty((0, 1, 2), np.float32)
        self._way = np.zeros(4)
        self._smooth = np.zeros(4)

    @classmethod
    def get_config_class(cls) -> type[StabiliseConfig]:
        return StabiliseConfig

    def restart(self) -> None:
        self._before = None
        self._points = np.empty((0, 1, 2), np.float32)
        self._way, self._smooth = np.zeros(4), np.zeros(4)

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        gray = small_gray(arrays[0]).copy()
        before = self._before
        step = None if before is None else self._step(before, gray)
        if step is None:
            self.restart()
        else:
            self._way += step
            self._smooth += (self._way - self._smooth) * (1 - settings["smoothing"])
        self._before = gray
        height, width = arrays[0].shape
        wanted = self._smooth - self._way
        if not settings["rotation"]:
            wanted[2] = 0
        zoom = 1 / (1 - settings["crop"])
        factor = shrink_factor(height)
        share = largest_share(wanted, zoom, width, height, factor)
        self._smooth = self._way + wanted * share  # what does not fit is not owed either
        factors = (factor, factor / 2, factor / 2)
        return [
            _moved(plane, wanted * share, zoom, one)
            for plane, one in zip(arrays, factors, strict=True)
        ]

    def _step(self, before: Picture, gray: Picture) -> Picture | None:
        """How the camera moved since the last picture; ``None`` when that cannot be said."""
        if len(self._points) < FEW_POINTS:
            corners = cv2.goodFeaturesToTrack(before, MAX_POINTS, 0.01, 8)
            self._points = np.empty((0, 1, 2), np.float32) if corners is None else corners
        if len(self._points) < LEAST_POINTS:
            return np.zeros(4)  # a plain wall shows no motion
        after, status, _ = cv2.calcOpticalFlowPyrLK(before, gray, self._points, None)
        found = status.ravel() == 1
        old, new = self._points[found], after[found]
        if len(new) < max(LEAST_POINTS, LEAST_AGREEING * len(self._points)):
            return None
        matrix, agreeing = cv2.estimateAffinePartial2D(old, new, ransacReprojThreshold=RANSAC_PX)
        if matrix is None or agreeing.mean() < LEAST_AGREEING:
            return None
        self._points = new[agreeing.ravel() == 1]
        return _parts(np.asarray(matrix), gray.shape)


def _parts(matrix: Picture, shape: tuple[int, ...]) -> Picture:
    """A similarity ``(2, 3)`` as ``(x, y, angle, log scale)`` about the picture's centre."""
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
    x, y = matrix @ centre - centre[:2]
    cos, sin = matrix[0, 0], matrix[1, 0]
    return np.array([x, y, math.atan2(sin, cos), math.log(math.hypot(sin, cos))])


def move(way: Picture, zoom: float, width: int, height: int, factor: float) -> Picture:
    """The matrix ``(2, 3)`` that moves a picture by ``way`` and enlarges it about its centre."""
    x, y = way[0] * factor, way[1] * factor
    scale = zoom * math.exp(way[3])
    cos, sin = scale * math.cos(way[2]), scale * math.sin(way[2])
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    return np.array([
        [cos, -sin, middle_x - cos * middle_x + sin * middle_y + zoom * x],
        [sin, cos, middle_y - sin * middle_x - cos * middle_y + zoom * y],
    ])  # fmt: skip


def _moved(plane: Picture, way: Picture, zoom: float, factor: float) -> Picture:
    height, width = plane.shape
    matrix = move(way, zoom, width, height, factor)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(plane, matrix, (width, height), borderMode=edge))


def largest_share(wanted: Picture, zoom: float, width: int, height: int, factor: float) -> float:
    """How much of a move leaves no corner empty, in [0, 1], to 1/128."""
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], float)
    limits = np.array([width - 1, height - 1]) + 1e-6

    def fits(share: float) -> bool:
        matrix = move(wanted * share, zoom, width, height, factor)
        seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        return bool((seen >= -1e-6).all() and (seen <= limits).all())

    if fits(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(FIT_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Stabilise)
