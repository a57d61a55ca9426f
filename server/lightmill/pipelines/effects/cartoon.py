"""Flat colours inside dark outlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import FrameEffect, Settings
from lightmill.pipelines.opencv import Picture, cv2, resized

RANGE_SIGMA = 28.0
"""Levels: smaller differences are smoothed away, larger ones stay edges."""
SPACE_SIGMA = 4.0
STEP_SOFTNESS = 0.25
"""Share of a step between two tones over which they blend: hard steps flicker with noise."""


class CartoonConfig(BasePipelineConfig):
    """How flat the colours and how heavy the lines are."""

    pipeline_id: ClassVar[str] = "cartoon"
    pipeline_name: ClassVar[str] = "Cartoon"
    pipeline_description: ClassVar[str] = "Flat, strong colours inside dark outlines."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "comic": {"tones": 5, "saturation": 1.7, "outlines": 1, "thickness": 3},
        "water-colour": {"smoothing": 6, "tones": 16, "saturation": 1.1, "outlines": 0.25},
        "poster": {"tones": 3, "saturation": 1.9, "outlines": 0},
        "ink-sketch": {"saturation": 0, "tones": 4, "outlines": 1, "fine_lines": 0.7},
    }

    smoothing: int = Field(
        default=3,
        ge=0,
        le=6,
        description="Passes that flatten skin and walls but keep edges; each takes 1 ms at 640x480",
        json_schema_extra=ui_field_config(order=1, label="Smoothing"),
    )
    tones: int = Field(
        default=7,
        ge=2,
        le=32,
        description="Levels of brightness that are left; fewer look like a print",
        json_schema_extra=ui_field_config(order=2, label="Tones"),
    )
    saturation: float = Field(
        default=1.4,
        ge=0,
        le=3,
        description="Strength of the colours; 1 leaves them as they are",
        json_schema_extra=ui_field_config(order=3, label="Saturation"),
    )
    outlines: float = Field(
        default=0.85,
        ge=0,
        le=1,
        description="How dark the outlines are; 0 draws none",
        json_schema_extra=ui_field_config(order=4, label="Outlines"),
    )
    fine_lines: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How weak an edge still gets an outline; much shows noise too",
        json_schema_extra=ui_field_config(order=5, label="Fine lines"),
    )
    thickness: int = Field(
        default=2, ge=1, le=6, description="Width of the outlines, in pixels at 480 lines",
        json_schema_extra=ui_field_config(order=6, label="Line width"),
    )  # fmt: skip


@lru_cache(maxsize=64)
def tone_table(tones: int) -> Picture:
    """Steps of brightness with short ramps between them, ``(256,)`` uint8."""
    at = np.arange(256) / 255 * (tones - 1)
    step = np.floor(at)
    ramp = np.clip((at - step - 0.5) / STEP_SOFTNESS + 0.5, 0, 1)
    return np.rint((step + ramp) / (tones - 1) * 255).clip(0, 255).astype(np.uint8)


def outlines(gray: Picture, thickness_px: float, detail: float) -> Picture:
    """Where lines go: ``(H, W)`` uint8, 0 on a line and 255 off it, soft between.

    A line is where a fine blur is darker than a coarse one (the difference of Gaussians of
    Marr and Hildreth, 1980): it lies on the dark side of an edge and is as wide as the blur.
    """
    fine = cv2.GaussianBlur(gray, (0, 0), 0.5 * thickness_px)
    coarse = cv2.GaussianBlur(gray, (0, 0), 1.2 * thickness_px)
    darker = cv2.subtract(coarse, fine)
    least = 1.5 + 8 * (1 - detail)
    table = np.clip((np.arange(256) - least) / 3, 0, 1)
    return np.asarray(cv2.LUT(darker, np.rint(255 * (1 - table)).astype(np.uint8)))


class Cartoon(FrameEffect):
    """Smooths at half the size, where it costs a quarter and reaches twice as far."""

    @classmethod
    def get_config_class(cls) -> type[CartoonConfig]:
        return CartoonConfig

    def draw(self, picture: Picture, settings: Settings) -> Picture:
        height, width = picture.shape[:2]
        small = resized(picture, width // 2, height // 2, cv2.INTER_AREA)
        for _ in range(settings["smoothing"]):
            small = cv2.bilateralFilter(small, 5, RANGE_SIGMA, SPACE_SIGMA)
        yuv = cv2.cvtColor(resized(small, width, height, cv2.INTER_LINEAR), cv2.COLOR_RGB2YCrCb)
        chroma = np.clip((np.arange(256) - 128.0) * settings["saturation"] + 128, 0, 255)
        chroma = np.rint(chroma).astype(np.uint8)
        tables = np.stack([tone_table(settings["tones"]), chroma, chroma], axis=-1)  # (256, 3)
        flat = cv2.cvtColor(cv2.LUT(yuv, tables[None]), cv2.COLOR_YCrCb2RGB)
        if settings["outlines"] == 0:
            return np.asarray(flat)
        gray = cv2.extractChannel(yuv, 0)  # smoothed: grass and noise get no lines
        lines = outlines(
            gray, settings["thickness"] * max(1.0, height / 480), settings["fine_lines"]
        )
        ink = cv2.addWeighted(
            lines, settings["outlines"], lines, 0, 255 * (1 - settings["outlines"])
        )
        return np.asarray(cv2.multiply(flat, cv2.cvtColor(ink, cv2.COLOR_GRAY2RGB), scale=1 / 255))


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Cartoon)
