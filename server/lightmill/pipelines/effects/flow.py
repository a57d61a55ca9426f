"""What moves where: as colours or as arrows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import FrameEffect, Settings
from lightmill.pipelines.effects.motion import (
    CUT_RESIDUAL,
    Flow,
    difference,
    shrink_factor,
    small_gray,
    warped,
)
from lightmill.pipelines.opencv import Picture, cv2, resized

LEAST_ARROW_PX = 1.5
"""Shorter motion is noise, and gets no arrow."""
SMOOTHING_PX = 1.5
"""Of the small picture: the search's patches would be seen as squares."""
DEAD_PX = 0.4
"""Slower motion is a camera's noise, and stays dark."""


class FlowConfig(BasePipelineConfig):
    """How motion is drawn."""

    pipeline_id: ClassVar[str] = "flow"
    pipeline_name: ClassVar[str] = "Motion flow"
    pipeline_description: ClassVar[str] = "Shows what moves where, as colours or arrows."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wind-map": {"style": "arrows", "picture": 0.6, "spacing": 20},
        "aura": {"picture": 0, "persistence": 0.9, "full_speed": 4},
        "tint": {"picture": 0.8, "persistence": 0.4},
    }

    style: Literal["colours", "arrows"] = Field(
        default="colours",
        description="Hue for the direction and light for the speed, or an arrow every few pixels",
        json_schema_extra=ui_field_config(order=1, label="Style"),
    )
    full_speed: float = Field(
        default=6.0,
        ge=0.5,
        le=64,
        description="Pixels a frame (at 480 lines) that get the brightest colour; less shows more",
        json_schema_extra=ui_field_config(order=2, label="Full speed (pixels a frame)"),
    )
    picture: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="How much of the picture shines through; 0 leaves the motion alone on black",
        json_schema_extra=ui_field_config(order=3, label="Picture"),
    )
    persistence: float = Field(
        default=0.6,
        ge=0,
        le=0.97,
        description="Share of the motion that is still seen in the next frame: trails, less flicker",
        json_schema_extra=ui_field_config(order=4, label="Persistence"),
    )
    spacing: int = Field(
        default=24, ge=8, le=128, description="From arrow to arrow, in pixels of the picture",
        json_schema_extra=ui_field_config(order=5, label="Arrow spacing"),
    )  # fmt: skip


class MotionFlow(FrameEffect):
    """Remembers one small gray picture and the fading motion."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._search = Flow("fine")
        self._before: Picture | None = None
        self._motion: Picture | None = None  # (h, w, 2) float32, pixels of the small picture

    @classmethod
    def get_config_class(cls) -> type[FlowConfig]:
        return FlowConfig

    def restart(self) -> None:
        self._before = self._motion = None

    def draw(self, picture: Picture, settings: Settings) -> Picture:
        motion = self._follow(small_gray(picture), settings["persistence"])
        motion = motion * np.float32(shrink_factor(picture.shape[0]))
        full_px = settings["full_speed"] * picture.shape[0] / 480
        dimmed = cv2.convertScaleAbs(picture, alpha=settings["picture"])
        colours = wheel(motion, full_px)
        if settings["style"] == "arrows":
            _draw_arrows(dimmed, motion, colours, settings["spacing"])
            return np.asarray(dimmed)
        height, width = picture.shape[:2]
        return np.asarray(cv2.add(dimmed, resized(colours, width, height, cv2.INTER_LINEAR)))

    def _follow(self, gray: Picture, persistence: float) -> Picture:
        before, self._before = self._before, gray
        if before is None or self._motion is None:
            self._motion = np.zeros((*gray.shape, 2), np.float32)
            return self._motion
        now = self._search.between(before, gray)
        if difference(before, warped(gray, now, 1)) > CUT_RESIDUAL:
            now = np.zeros_like(now)  # another scene: nothing moved from one to the other
        now = np.asarray(cv2.GaussianBlur(now, (0, 0), SMOOTHING_PX))
        self._motion = _stronger(now, self._motion * np.float32(persistence))
        return self._motion


def _stronger(now: Picture, faded: Picture) -> Picture:
    """At each place the longer of two motions, so that a new one is seen at once."""
    longer = (now * now).sum(axis=-1) >= (faded * faded).sum(axis=-1)
    return np.where(longer[..., None], now, faded)


def wheel(motion: Picture, full_px: float) -> Picture:
    """Colours of ``(h, w, 2)`` motion as ``(h, w, 3)`` uint8: right red, down green, left cyan."""
    speed, degrees = cv2.cartToPolar(motion[..., 0], motion[..., 1], angleInDegrees=True)
    hsv = np.empty((*motion.shape[:2], 3), np.uint8)
    hsv[..., 0] = np.minimum(degrees / 2, 179)
    hsv[..., 1] = 230
    hsv[..., 2] = np.clip((speed - DEAD_PX) * (255 / full_px), 0, 255)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _draw_arrows(picture: Picture, motion: Picture, colours: Picture, spacing: int) -> None:
    """One arrow for each cell that moves, twice as long as its motion, at most a cell and a half."""
    height, width = picture.shape[:2]
    rows, columns = max(1, height // spacing), max(1, width // spacing)
    cells = resized(motion, columns, rows, cv2.INTER_AREA).reshape(rows, columns, 2)
    tints = resized(colours, columns, rows, cv2.INTER_AREA).reshape(rows, columns, 3)
    speed = np.hypot(cells[..., 0], cells[..., 1])
    for row, column in zip(*np.nonzero(speed > LEAST_ARROW_PX), strict=True):
        x, y = (column + 0.5) * width / columns, (row + 0.5) * height / rows
        length = min(2 * speed[row, column], 1.5 * spacing) / speed[row, column]
        dx, dy = cells[row, column] * length
        tint = np.maximum(tints[row, column].astype(np.int32) * 2, 90).clip(0, 255).tolist()
        start, end = (round(x - dx / 2), round(y - dy / 2)), (round(x + dx / 2), round(y + dy / 2))
        cv2.arrowedLine(picture, start, end, tint, max(1, height // 320), cv2.LINE_AA, 0, 0.35)


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(MotionFlow)
