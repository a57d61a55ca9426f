"""Large pixels, as squares or as the lamps of a wall of LEDs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import YuvPlanes

LAMP_RADIUS = 0.46
"""Of a lamp, in block widths: just no touching."""
LAMP_EDGE_PX = 1.0


class PixelateConfig(BasePipelineConfig):
    """How large the pixels are, and how they look."""

    pipeline_id: ClassVar[str] = "pixelate"
    pipeline_name: ClassVar[str] = "Pixelate"
    pipeline_description: ClassVar[str] = "Large pixels: squares, or lamps of an LED wall."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "led-wall": {"style": "lamps", "pixel_size": 16},
        "old-console": {"pixel_size": 8, "shades": 4},
        "hidden": {"pixel_size": 48},
    }

    pixel_size: int = Field(
        default=12,
        ge=2,
        le=128,
        multiple_of=2,
        description="Edge of a large pixel, in pixels of the picture; larger hides more",
        json_schema_extra=ui_field_config(order=1, label="Pixel size"),
    )
    style: Literal["squares", "lamps"] = Field(
        default="squares",
        description="Squares that touch, or round lamps on black (from 4 pixels on)",
        json_schema_extra=ui_field_config(order=2, label="Style"),
    )
    shades: int = Field(
        default=64, ge=2, le=64, description="Levels of brightness; few look like an old console",
        json_schema_extra=ui_field_config(order=3, label="Shades"),
    )  # fmt: skip


def blocks(plane: Picture, size: int) -> Picture:
    """The mean of each ``size`` x ``size`` block, ``(ceil(H / size), ceil(W / size))``.

    What a block at the right and lower edge lacks is filled with the picture's last pixels.
    """
    height, width = plane.shape
    down, across = -height % size, -width % size
    if down or across:
        plane = np.pad(plane, ((0, down), (0, across)), mode="edge")
    rows, columns = plane.shape
    return resized(plane, columns // size, rows // size, cv2.INTER_AREA)


def enlarged(small: Picture, size: int, shape: tuple[int, ...]) -> Picture:
    """Each pixel of ``small`` as a square of ``size``, cut to ``shape``."""
    height, width = small.shape
    large = resized(small, width * size, height * size, cv2.INTER_NEAREST)
    return large[: shape[0], : shape[1]]


def lamp(size: int) -> Picture:
    """How bright a lamp is over its block, ``(size, size)`` float32 in [0, 1]."""
    at = np.arange(size, dtype=np.float32) + 0.5 - size / 2
    distance = np.hypot(at[:, None], at[None, :])
    return np.clip((size * LAMP_RADIUS - distance) / LAMP_EDGE_PX + 0.5, 0, 1)


class Pixelate(PlaneEffect):
    """Works on the planes: chroma has half the size, so its blocks have half the edge."""

    @classmethod
    def get_config_class(cls) -> type[PixelateConfig]:
        return PixelateConfig

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        size: int = settings["pixel_size"]
        black, span = (0, 255) if planes.full_range else (16, 219)
        y, u, v = (
            blocks(plane, edge)
            for plane, edge in zip(arrays, (size, size // 2, size // 2), strict=True)
        )
        if settings["shades"] < 64:
            steps = settings["shades"] - 1
            level = np.clip((y.astype(np.float32) - black) / span, 0, 1)
            y = (np.rint(level * steps) / steps * span + black).astype(np.uint8)
        large = [
            enlarged(small, edge, plane.shape)
            for small, edge, plane in zip(
                (y, u, v), (size, size // 2, size // 2), arrays, strict=True
            )
        ]
        if settings["style"] == "lamps" and size >= 4:
            large[0] = _lit(large[0], size, black)
        return large


def _lit(y: Picture, size: int, black: int) -> Picture:
    height, width = y.shape
    tiles = (-(-height // size), -(-width // size))
    mask = np.tile((lamp(size) * 255).astype(np.uint8), tiles)[:height, :width]
    dark = cv2.multiply(cv2.subtract(y, black), mask, scale=1 / 255)
    return np.asarray(cv2.add(dark, black))


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Pixelate)
