"""Outlines by the Sobel operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.effects.gray import luma


class EdgesConfig(BasePipelineConfig):
    """How strong a change must be, and what is drawn."""

    pipeline_id: ClassVar[str] = "edges"
    pipeline_name: ClassVar[str] = "Edges"
    pipeline_description: ClassVar[str] = "Draws the outlines of things."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pencil": {"style": "ink", "strength": 1.5, "threshold": 24},
        "neon": {"style": "colour", "strength": 3, "threshold": 20},
        "chalk": {"style": "white", "strength": 2, "threshold": 40},
    }

    strength: float = Field(
        default=1.0,
        ge=0,
        le=4,
        description="Brightness of the outlines",
        json_schema_extra=ui_field_config(order=1, label="Strength"),
    )
    threshold: int = Field(
        default=16,
        ge=0,
        le=255,
        description="Weaker changes stay dark (levels of 255)",
        json_schema_extra=ui_field_config(order=2, label="Threshold"),
    )
    style: Literal["white", "colour", "ink"] = Field(
        default="white", description="White on black, the picture's colours, or ink on paper",
        json_schema_extra=ui_field_config(order=3, label="Style"),
    )  # fmt: skip


def sobel(gray: torch.Tensor) -> torch.Tensor:
    """Gradient magnitude ``|gx| + |gy|`` of ``(T, H, W)`` uint8 as int16; the border is 0.

    Kernels of Sobel and Feldman, 1968, as sums of shifted pictures: cheaper than a convolution.
    """
    level = gray.to(torch.int16)
    rows = level[:, :-2] + 2 * level[:, 1:-1] + level[:, 2:]  # (T, H-2, W)
    columns = level[:, :, :-2] + 2 * level[:, :, 1:-1] + level[:, :, 2:]  # (T, H, W-2)
    across = (rows[:, :, 2:] - rows[:, :, :-2]).abs_()
    down = (columns[:, 2:] - columns[:, :-2]).abs_()
    edges = torch.zeros_like(level)
    if edges.shape[1] > 2 and edges.shape[2] > 2:
        edges[:, 1:-1, 1:-1] = across.add_(down)
    return edges


class Edges(Pipeline):
    """Whole-number arithmetic on luma; strength and threshold are one table."""

    @classmethod
    def get_config_class(cls) -> type[EdgesConfig]:
        return EdgesConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        video = torch.cat(kwargs["video"])  # (T, H, W, 3)
        edges = sobel(luma(video)).clamp_(0, 255)
        drawn = edges.float().mul_(kwargs["strength"]).clamp_(0, 255).to(torch.uint8)
        drawn = torch.where(edges >= kwargs["threshold"], drawn, 0).unsqueeze(-1)
        if kwargs["style"] == "ink":
            drawn = 255 - drawn
        if kwargs["style"] == "colour":
            return {"video": (video.to(torch.int32) * drawn // 255).to(torch.uint8)}
        return {"video": drawn.expand_as(video)}


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Edges)
