"""Brightness, contrast, gamma, saturation and hue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


class ColorConfig(BasePipelineConfig):
    """Each setting's default leaves the picture as it is."""

    pipeline_id: ClassVar[str] = "color"
    pipeline_name: ClassVar[str] = "Color"
    pipeline_description: ClassVar[str] = "Brightness, contrast, gamma, saturation and hue."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "vivid": {"saturation": 1.6, "contrast": 1.1},
        "warm": {"hue": -8, "saturation": 1.15, "gamma": 1.1},
        "dark-room": {"gamma": 1.9, "contrast": 1.15},
        "faded": {"saturation": 0.55, "contrast": 0.8, "brightness": 0.06},
        "other-world": {"hue": 140, "saturation": 1.8, "contrast": 1.2},
    }

    brightness: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="Added to every channel; 0 changes nothing",
        json_schema_extra=ui_field_config(order=1, label="Brightness"),
    )
    contrast: float = Field(
        default=1.0,
        ge=0,
        le=3,
        description="Distance from middle gray; 1 changes nothing",
        json_schema_extra=ui_field_config(order=2, label="Contrast"),
    )
    gamma: float = Field(
        default=1.0,
        ge=0.2,
        le=5,
        description="Above 1 lifts the shadows; 1 changes nothing",
        json_schema_extra=ui_field_config(order=3, label="Gamma"),
    )
    saturation: float = Field(
        default=1.0,
        ge=0,
        le=3,
        description="0 is gray; 1 changes nothing",
        json_schema_extra=ui_field_config(order=4, label="Saturation"),
    )
    hue: float = Field(
        default=0.0, ge=-180, le=180, description="Turns the colour wheel, degrees",
        json_schema_extra=ui_field_config(order=5, label="Hue (degrees)"),
    )  # fmt: skip


def tone_curve(brightness: float, contrast: float, gamma: float) -> torch.Tensor:
    """What each of the 256 levels becomes, ``(256,)`` uint8."""
    levels = torch.arange(256, dtype=torch.float32) / 255
    curve = ((levels - 0.5) * contrast + 0.5 + brightness).clamp(0, 1) ** (1 / gamma)
    return (curve * 255).round().to(torch.uint8)


def colour_matrix(saturation: float, hue_degrees: float) -> torch.Tensor:
    """A ``(3, 3)`` matrix on RGB columns that keeps gray gray.

    The hue turns about the gray axis (Rodrigues' rotation); saturation scales the distance
    from luma.
    """
    angle = math.radians(hue_degrees)
    third, side = 1 / 3, math.sqrt(1 / 3) * math.sin(angle)
    rest = (1 - math.cos(angle)) * third
    same, after, before = math.cos(angle) + rest, rest - side, rest + side
    turn = torch.tensor([[same, after, before], [before, same, after], [after, before, same]])
    luma = torch.tensor(LUMA).expand(3, 3)
    return (luma + saturation * (torch.eye(3) - luma)) @ turn


class Color(Pipeline):
    """A table for what acts on each channel, a matrix for what mixes them; identity is skipped."""

    @classmethod
    def get_config_class(cls) -> type[ColorConfig]:
        return ColorConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        video = torch.cat(kwargs["video"])  # (T, H, W, 3)
        if kwargs["saturation"] != 1 or kwargs["hue"] != 0:
            matrix = colour_matrix(kwargs["saturation"], kwargs["hue"]).to(video.device)
            mixed = video.reshape(-1, 3).float() @ matrix.T
            video = mixed.round_().clamp_(0, 255).to(torch.uint8).reshape(video.shape)
        tone = (kwargs["brightness"], kwargs["contrast"], kwargs["gamma"])
        if tone != (0, 1, 1):
            video = tone_curve(*tone).to(video.device)[video.int()]
        return {"video": video}


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Color)
