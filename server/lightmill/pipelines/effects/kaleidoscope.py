"""The picture between mirrors."""

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
from lightmill.pipelines.opencv import Picture, cv2
from lightmill.planes import YuvPlanes


class KaleidoscopeConfig(BasePipelineConfig):
    """How many mirrors, and what they see."""

    pipeline_id: ClassVar[str] = "kaleidoscope"
    pipeline_name: ClassVar[str] = "Kaleidoscope"
    pipeline_description: ClassVar[str] = "The picture between mirrors, turning slowly."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "lake": {"mirrors": 1, "spin": 0, "angle": -180},
        "mandala": {"mirrors": 12, "spin": 0.25},
        "still": {"spin": 0},
        "whirl": {"mirrors": 5, "spin": 3, "zoom": 1.5},
    }

    mirrors: int = Field(
        default=6,
        ge=1,
        le=16,
        description="Pairs of mirrored wedges round the centre",
        json_schema_extra=ui_field_config(order=1, label="Mirrors"),
    )
    zoom: float = Field(
        default=1.0,
        ge=0.3,
        le=4,
        description="Above 1 the wedges show less of the picture, larger",
        json_schema_extra=ui_field_config(order=2, label="Zoom"),
    )
    angle: float = Field(
        default=-90.0,
        ge=-180,
        le=180,
        description="Where in the picture the wedges begin: 0 right of the centre, -90 above it",
        json_schema_extra=ui_field_config(order=3, label="Angle (degrees)"),
    )
    spin: float = Field(
        default=0.5,
        ge=-10,
        le=10,
        description="Degrees that the wedges turn over the picture with each frame; 0 stands still",
        json_schema_extra=ui_field_config(order=4, label="Spin (degrees a frame)"),
    )
    centre_x: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Where the mirrors meet in the picture, 0 left to 1 right",
        json_schema_extra=ui_field_config(order=5, component="centre", label="Centre, across"),
    )
    centre_y: float = Field(
        default=0.5, ge=0, le=1, description="0 top to 1 bottom",
        json_schema_extra=ui_field_config(order=6, component="centre", label="Centre, down"),
    )  # fmt: skip


def wedge(height: int, width: int, mirrors: int) -> tuple[Picture, Picture]:
    """Where each pixel looks before the wedge is turned: x and y from the centre, ``(H, W)`` float32.

    The angle is folded forth and back within half a wedge, which is what two mirrors do.
    """
    x = np.arange(width, dtype=np.float32)[None, :] - (width - 1) / 2
    y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    half = math.pi / mirrors
    angle = np.arctan2(y, x) % (2 * half)
    angle = np.where(angle > half, 2 * half - angle, angle)
    radius = np.hypot(x, y)
    return (radius * np.cos(angle)).astype(np.float32), (radius * np.sin(angle)).astype(np.float32)


class Kaleidoscope(PlaneEffect):
    """Folds once for each size and number of mirrors; turning is a rotation of what was folded."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._folded: tuple[int, list[tuple[Picture, Picture]]] | None = None
        self._turn = 0.0  # degrees

    @classmethod
    def get_config_class(cls) -> type[KaleidoscopeConfig]:
        return KaleidoscopeConfig

    def restart(self) -> None:
        self._folded = None

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        mirrors = settings["mirrors"]
        if self._folded is None or self._folded[0] != mirrors:
            self._folded = (
                mirrors,
                [wedge(plane.shape[0], plane.shape[1], mirrors) for plane in arrays[:2]],
            )
        turn = math.radians(self._turn + settings["angle"])
        self._turn = (self._turn + settings["spin"]) % 360
        luma, chroma = (turned(*folded, turn, settings) for folded in self._folded[1])
        return [
            np.asarray(cv2.remap(plane, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
            for plane, at in zip(arrays, (luma, chroma, chroma), strict=True)
        ]


def turned(
    across: Picture, down: Picture, turn: float, settings: Settings
) -> tuple[Picture, Picture]:
    """Where each pixel looks in the picture: the wedge, turned by ``turn`` radians and moved."""
    height, width = across.shape
    cos, sin = math.cos(turn) / settings["zoom"], math.sin(turn) / settings["zoom"]
    x = cv2.addWeighted(across, cos, down, -sin, settings["centre_x"] * (width - 1))
    y = cv2.addWeighted(across, sin, down, cos, settings["centre_y"] * (height - 1))
    return np.asarray(x), np.asarray(y)


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Kaleidoscope)
