"""Colour grading: lift, gamma, gain, warmth, saturation, a look, and a ``.cube`` table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects import cube as cubes
from lightmill.pipelines.effects.frames import FrameEffect, Settings
from lightmill.pipelines.opencv import Picture, cv2

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""
WARMTH = 0.18
"""By what warmth 1 raises red and lowers blue."""
FRACTION_BITS = 5
"""OpenCV's remap blends in 1/32 of the way from point to point."""


@dataclass(frozen=True, slots=True)
class Look:
    """Lift, gamma and gain for red, green and blue, and saturation."""

    lift: tuple[float, float, float] = (0, 0, 0)
    gamma: tuple[float, float, float] = (1, 1, 1)
    gain: tuple[float, float, float] = (1, 1, 1)
    saturation: float = 1.0


LOOKS = {
    "none": Look(),
    "teal-orange": Look((-0.09, 0.0, 0.05), (1.0, 0.98, 1.0), (1.16, 0.99, 0.84), 1.15),
    "golden": Look((0.02, 0.0, -0.03), (1.08, 1.02, 0.94), (1.12, 1.03, 0.82), 1.1),
    "faded": Look((0.09, 0.08, 0.1), (1.05, 1.05, 1.02), (0.95, 0.93, 0.88), 0.72),
    "moonlight": Look((-0.03, -0.01, 0.05), (0.78, 0.86, 1.02), (0.8, 0.92, 1.12), 0.6),
    "bleach": Look((-0.08, -0.08, -0.08), (0.95, 0.95, 0.97), (1.2, 1.2, 1.18), 0.45),
    "noir": Look((-0.1, -0.1, -0.1), (0.92, 0.92, 0.92), (1.2, 1.2, 1.2), 0.0),
}


class GradeConfig(BasePipelineConfig):
    """In the order in which they act."""

    pipeline_id: ClassVar[str] = "grade"
    pipeline_name: ClassVar[str] = "Grade"
    pipeline_description: ClassVar[str] = (
        "Colour grading: looks, lift, gamma and gain, and tables from .cube files."
    )
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "film": {"look": "teal-orange", "lift": 0.03, "strength": 0.8},
        "golden-hour": {"look": "golden", "warmth": 0.25},
        "day-for-night": {"look": "moonlight", "gain": 0.85},
        "noir": {"look": "noir"},
        "old-photo": {"look": "faded", "warmth": 0.3, "saturation": 0.7},
    }

    look: Literal[
        "none", "teal-orange", "golden", "faded", "moonlight", "bleach", "noir"
    ] = Field(
        default="teal-orange",
        description="A mood to start from; the settings below act on top of it",
        json_schema_extra=ui_field_config(order=1, label="Look"),
    )  # fmt: skip
    lift: float = Field(
        default=0.0,
        ge=-0.5,
        le=0.5,
        description="Raises or lowers the shadows and leaves white where it is",
        json_schema_extra=ui_field_config(order=2, label="Lift"),
    )
    gamma: float = Field(
        default=1.0,
        ge=0.3,
        le=3,
        description="Above 1 brightens the middle; black and white stay",
        json_schema_extra=ui_field_config(order=3, label="Gamma"),
    )
    gain: float = Field(
        default=1.0,
        ge=0,
        le=3,
        description="Multiplies: moves the highlights most, and leaves black where it is",
        json_schema_extra=ui_field_config(order=4, label="Gain"),
    )
    warmth: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="Towards candle light above 0, towards the blue hour below",
        json_schema_extra=ui_field_config(order=5, label="Warmth"),
    )
    saturation: float = Field(
        default=1.0,
        ge=0,
        le=3,
        description="0 is gray; 1 changes nothing",
        json_schema_extra=ui_field_config(order=6, label="Saturation"),
    )
    cube: str = Field(
        default="",
        max_length=cubes.MAX_TEXT_LENGTH,
        description="The text of a .cube file, 1D or 3D, with at most 65 points an edge; it acts last. "
        "The server keeps it packed, with at most 17 points an edge. Empty: none",
        json_schema_extra=ui_field_config(order=7, label="LUT (.cube)", file=".cube"),
    )
    strength: float = Field(
        default=1.0, ge=0, le=1, description="How much of all this is mixed into the picture",
        json_schema_extra=ui_field_config(order=8, label="Strength"),
    )  # fmt: skip

    @field_validator("cube")
    @classmethod
    def _pack(cls, text: str) -> str:
        """Refuse what is no table, and keep a short form of what is one."""
        if not text.strip():
            return ""
        if cubes.PACKED_KEYWORD in text:
            cubes.parse(text)
            return text
        return cubes.packed(cubes.parse(text))


def tone_table(settings: Settings) -> Picture:
    """What each level of red, green and blue becomes, ``(1, 256, 3)`` uint8."""
    level = (np.arange(256) / 255)[:, None]  # (256, 1)
    look = LOOKS[settings["look"]]
    warm = np.array([1 + WARMTH * settings["warmth"], 1, 1 - WARMTH * settings["warmth"]])
    for lift, gamma, gain in (
        (np.array(look.lift), np.array(look.gamma), np.array(look.gain) * warm),
        (settings["lift"], settings["gamma"], settings["gain"]),
    ):
        level = (gain * (level + lift * (1 - level))).clip(0, 1) ** (1 / gamma)
    return np.rint(level * 255).astype(np.uint8)[None]


def saturation_matrix(saturation: float) -> Picture:
    """``(3, 3)`` float32 that scales the distance from luma."""
    luma = np.tile(np.array(LUMA), (3, 1))
    return (luma + saturation * (np.eye(3) - luma)).astype(np.float32)


class CubeTable:
    """A 3-D table as one tall picture, so that OpenCV's remap interpolates it.

    For each of blue's 256 levels there is a tile of red by green points, interpolated along blue
    beforehand; remap blends the four points of a tile: trilinear, with one look-up for each pixel.
    """

    def __init__(self, cube: cubes.Cube) -> None:
        n = cube.points.shape[0]
        at = np.arange(256) / 255 * (n - 1)
        below = np.minimum(at.astype(np.int64), n - 2)
        share = (at - below)[:, None, None, None]
        points = cube.points.astype(np.float64)
        tiles = points[below] * (1 - share) + points[below + 1] * share  # (256, G, R, 3)
        self._tall = np.rint(tiles).astype(np.uint8).reshape(256 * n, n, 3)
        steps = 1 << FRACTION_BITS
        fine = np.rint(at * steps).astype(np.int64)
        whole = fine // steps
        self._whole = whole.astype(np.int16)
        self._row = (np.arange(256) * n).astype(np.int16)  # at most 255 * 17
        self._fraction = (fine - whole * steps).astype(np.uint16)

    def __call__(self, picture: Picture) -> Picture:
        """``(H, W, 3)`` uint8 to the same."""
        red, green, blue = cv2.split(picture)
        row = cv2.add(cv2.LUT(green, self._whole), cv2.LUT(blue, self._row))
        at = cv2.merge([cv2.LUT(red, self._whole), row])  # (H, W, 2) int16
        down = cv2.LUT(green, self._fraction << FRACTION_BITS)
        return np.asarray(
            cv2.remap(
                self._tall,
                at,
                cv2.add(cv2.LUT(red, self._fraction), down),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )


class Grade(FrameEffect):
    """A table for each channel, a matrix for saturation, then the cube; each is left out at need."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._cube: tuple[str, Callable[[Picture], Picture]] | None = None

    @classmethod
    def get_config_class(cls) -> type[GradeConfig]:
        return GradeConfig

    def draw(self, picture: Picture, settings: Settings) -> Picture:
        graded = np.asarray(cv2.LUT(picture, tone_table(settings)))
        saturation = settings["saturation"] * LOOKS[settings["look"]].saturation
        if saturation != 1:
            graded = cv2.transform(graded, saturation_matrix(saturation))
        if settings["cube"]:
            graded = self._table(settings["cube"])(np.asarray(graded))
        strength = settings["strength"]
        if strength < 1:
            graded = cv2.addWeighted(graded, strength, picture, 1 - strength, 0)
        return np.asarray(graded)

    def _table(self, text: str) -> Callable[[Picture], Picture]:
        if self._cube is None or self._cube[0] != text:
            cube = cubes.parse(text)
            table = CubeTable(cube) if cube.is_3d else _by_channel(cube.points)
            self._cube = (text, table)
        return self._cube[1]


def _by_channel(points: Picture) -> Callable[[Picture], Picture]:
    return lambda picture: np.asarray(cv2.LUT(picture, points[None]))


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Grade)
