"""Brightness as heat: the false colours of a thermal camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings, yuv_of
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import Matrix, YuvPlanes

PALETTES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "iron": ((4, 2, 22), (58, 10, 122), (148, 18, 140), (222, 66, 62), (250, 142, 16), (255, 214, 62), (255, 253, 232)),
    "rainbow": ((10, 6, 70), (22, 70, 200), (16, 172, 190), (60, 190, 70), (234, 218, 40), (238, 110, 30), (214, 22, 32), (255, 226, 226)),
    "arctic": ((2, 4, 24), (14, 46, 120), (40, 130, 196), (150, 214, 232), (246, 240, 214), (252, 190, 80), (240, 110, 20)),
    "predator": ((6, 0, 60), (30, 40, 190), (0, 150, 160), (20, 190, 60), (220, 220, 20), (250, 90, 10), (250, 20, 90)),
    "white-hot": ((0, 0, 0), (255, 255, 255)),
    "black-hot": ((255, 255, 255), (0, 0, 0)),
}  # fmt: skip
"""From cold to hot, evenly spaced, sRGB."""

TAILS = (0.01, 0.99)
"""Shares of the pixels that may be darker and brighter than the stretched range."""
LEAST_SPAN = 48
"""Levels: a flat picture is stretched no further, since that would show its noise."""
SETTLE = 0.1
"""Share of the way that the range moves to the picture's own with each frame: no flicker."""


class ThermalConfig(BasePipelineConfig):
    """The colours, and how much of the picture's range they span."""

    pipeline_id: ClassVar[str] = "thermal"
    pipeline_name: ClassVar[str] = "Thermal"
    pipeline_description: ClassVar[str] = "Brightness as heat, in a thermal camera's colours."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "night-watch": {"palette": "white-hot", "softness": 1},
        "hunter": {"palette": "predator", "contours": 8, "softness": 4},
        "weather-map": {"palette": "rainbow", "contours": 12, "softness": 6},
        "ice": {"palette": "arctic"},
    }

    palette: Literal["iron", "rainbow", "arctic", "predator", "white-hot", "black-hot"] = Field(
        default="iron",
        description="Colours from cold to hot",
        json_schema_extra=ui_field_config(order=1, label="Palette"),
    )
    stretch: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="1 spreads the colours over what the picture has, 0 over all that it might have",
        json_schema_extra=ui_field_config(order=2, label="Stretch"),
    )
    softness: float = Field(
        default=2.0,
        ge=0,
        le=12,
        description="Blurs like a coarse sensor, in pixels at 480 lines; 0 keeps every detail",
        json_schema_extra=ui_field_config(order=3, label="Softness"),
    )
    contours: int = Field(
        default=0, ge=0, le=16, description="Splits the heat into so many flat areas; below 2 it is smooth",
        json_schema_extra=ui_field_config(order=4, label="Contours"),
    )  # fmt: skip


def palette_rgb(name: str) -> Picture:
    """A palette's 256 colours, ``(256, 3)`` float in [0, 255]."""
    stops = np.array(PALETTES[name], np.float64)
    at = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)], axis=1)


@cache
def palette_planes(name: str, matrix: Matrix, full_range: bool) -> list[Picture]:
    """A palette's Y, U and V, ``(256,)`` uint8 each; at most 6 palettes in 4 kinds are kept."""
    colours = [yuv_of(rgb, matrix, full_range) for rgb in palette_rgb(name).tolist()]
    return list(np.array(colours, np.uint8).T.copy())


class Thermal(PlaneEffect):
    """Looks only at Y, and gives all three planes by tables: one table for each, no arithmetic."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._range: tuple[float, float] | None = None  # levels of Y, followed slowly

    @classmethod
    def get_config_class(cls) -> type[ThermalConfig]:
        return ThermalConfig

    def restart(self) -> None:
        self._range = None

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        y, u = arrays[0], arrays[1]
        sigma = settings["softness"] * y.shape[0] / 480
        half = resized(y, u.shape[1], u.shape[0], cv2.INTER_AREA)
        if sigma > 0.3:
            half = cv2.GaussianBlur(half, (0, 0), sigma / 2)
            y = (
                resized(half, y.shape[1], y.shape[0], cv2.INTER_LINEAR)
                if sigma >= 1.5
                else cv2.GaussianBlur(y, (0, 0), sigma)
            )
        low, high = self._follow(half)
        black, white = (0, 255) if planes.full_range else (16, 235)
        low, high = (
            end + (own - end) * settings["stretch"] for end, own in ((black, low), (white, high))
        )
        heat = np.clip((np.arange(256) - low) / (high - low), 0, 1)
        if settings["contours"] >= 2:
            heat = np.minimum(np.floor(heat * settings["contours"]) / (settings["contours"] - 1), 1)
        index = np.rint(heat * 255).astype(np.uint8)
        tables = palette_planes(settings["palette"], planes.matrix, planes.full_range)
        return [
            np.asarray(cv2.LUT(level, table[index]))
            for level, table in zip((y, half, half), tables, strict=True)
        ]

    def _follow(self, half: Picture) -> tuple[float, float]:
        """The range to stretch: a little of the way from the last one to this picture's own."""
        counts = np.cumsum(np.bincount(half.ravel(), minlength=256))
        low, high = (float(np.sum(counts < share * counts[-1])) for share in TAILS)
        if high - low < LEAST_SPAN:
            middle = (low + high) / 2
            low, high = middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2
        if self._range is not None:
            low = self._range[0] + (low - self._range[0]) * SETTLE
            high = self._range[1] + (high - self._range[1]) * SETTLE
        self._range = (low, high)
        return low, high


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Thermal)
