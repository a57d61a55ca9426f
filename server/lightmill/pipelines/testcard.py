"""A moving test picture with a clock, made from nothing: text mode without a model."""

from __future__ import annotations

import colorsys
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.lettering import draw_text
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, ui_field_config
from lightmill.pipelines.contract import Pipeline

FPS = 30
BARS = (
    (192, 192, 192),
    (192, 192, 0),
    (0, 192, 192),
    (0, 192, 0),
    (192, 0, 192),
    (192, 0, 0),
    (0, 0, 192),
)
"""Colour bars at 75 %, in the order of SMPTE EG 1."""


class TestcardConfig(BasePipelineConfig):
    """What is burnt into the picture, and how it moves."""

    __test__ = False

    pipeline_id: ClassVar[str] = "testcard"
    pipeline_name: ClassVar[str] = "Test card"
    pipeline_description: ClassVar[str] = (
        "Colour bars, a clock and a moving ball, without a camera."
    )
    modes: ClassVar[dict[str, ModeDefaults]] = {
        "text": ModeDefaults(default=True, height=360, width=640)
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hd": {"width": 1280, "height": 720},
        "clean": {"label": "", "show_settings": False, "speed": 0},
        "fast-ball": {"speed": 1.5, "hue": 40},
    }

    height: int = Field(
        default=360,
        ge=64,
        le=2160,
        multiple_of=2,
        description="Height in pixels",
        json_schema_extra=ui_field_config(order=1, component="resolution", label="Height"),
    )
    width: int = Field(
        default=640,
        ge=64,
        le=3840,
        multiple_of=2,
        description="Width in pixels",
        json_schema_extra=ui_field_config(order=2, component="resolution", label="Width"),
    )
    label: str = Field(
        default="Lightmill",
        max_length=60,
        description="Title in the picture",
        json_schema_extra=ui_field_config(order=3, label="Title", category="input"),
    )
    speed: float = Field(
        default=0.25,
        ge=-2,
        le=2,
        description="Rounds of the ball a second",
        json_schema_extra=ui_field_config(order=4, label="Speed"),
    )
    hue: float = Field(
        default=170,
        ge=0,
        le=360,
        description="Colour of the ball, degrees",
        json_schema_extra=ui_field_config(order=5, label="Hue (degrees)"),
    )
    show_settings: bool = Field(
        default=True, description="Burn the settings into the picture",
        json_schema_extra=ui_field_config(order=6, label="Show settings"),
    )  # fmt: skip


class Testcard(Pipeline):
    """One frame a call; time comes from counted frames, so that the motion is even."""

    __test__ = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._n_frames = 0
        self._turn = 0.0
        self._card: np.ndarray[Any, np.dtype[np.uint8]] | None = None

    @classmethod
    def get_config_class(cls) -> type[TestcardConfig]:
        return TestcardConfig

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        height, width = kwargs["height"], kwargs["width"]
        if self._card is None or self._card.shape[:2] != (height, width):
            self._card = _bars(height, width)
        picture = self._card.copy()  # (H, W, 3)
        self._turn += kwargs["speed"] / FPS
        _ball(picture, self._turn, kwargs["hue"] / 360)
        scale = max(1, width // 240)
        draw_text(picture, kwargs["label"], 4 * scale, 4 * scale, scale + 1, background=(0, 0, 0))
        clock = time.strftime("%H:%M:%S") + f"  frame {self._n_frames}"
        draw_text(picture, clock, 4 * scale, height - 12 * scale, scale, background=(0, 0, 0))
        if kwargs["show_settings"]:
            shown = ("width", "height", "speed", "hue")
            text = "\n".join(f"{name} {kwargs[name]:g}" for name in shown)
            draw_text(picture, text, 4 * scale, 20 * scale, scale, background=(0, 0, 0))
        self._n_frames += 1
        video = torch.from_numpy(picture).unsqueeze(0).to(self.device)
        return {"video": video, "frame_rate": FPS}


def _bars(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    index = np.arange(width) * len(BARS) // width
    row = np.array(BARS, np.uint8)[index]  # (W, 3)
    return np.ascontiguousarray(np.broadcast_to(row, (height, width, 3)))


def _ball(picture: np.ndarray[Any, np.dtype[np.uint8]], turn: float, hue: float) -> None:
    """A disc on its way round an ellipse in the middle."""
    height, width = picture.shape[:2]
    radius = max(4, height // 12)
    x = int(width / 2 + np.cos(2 * np.pi * turn) * width * 0.3)
    y = int(height / 2 + np.sin(2 * np.pi * turn) * height * 0.3)
    top, left = max(0, y - radius), max(0, x - radius)
    patch = picture[top : y + radius + 1, left : x + radius + 1]
    rows, columns = np.ogrid[: patch.shape[0], : patch.shape[1]]
    inside = (rows + top - y) ** 2 + (columns + left - x) ** 2 <= radius**2
    patch[inside] = [round(255 * channel) for channel in colorsys.hsv_to_rgb(hue % 1, 0.9, 1)]


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Testcard)
