"""Shades of gray, for itself or before a pipeline that looks at shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements

LUMA_WEIGHTS = (77, 150, 29)
"""ITU-R BT.601 luma (0.299, 0.587, 0.114) in 1/256."""


class GrayConfig(BasePipelineConfig):
    """One setting: how much of the colour goes."""

    pipeline_id: ClassVar[str] = "gray"
    pipeline_name: ClassVar[str] = "Gray"
    pipeline_description: ClassVar[str] = "Turns colours into shades of gray."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "black-and-white": {"amount": 1},
        "washed-out": {"amount": 0.6},
    }

    amount: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="0 keeps the colours, 1 removes them",
        json_schema_extra=ui_field_config(order=1, label="Amount"),
    )


def luma(video: torch.Tensor) -> torch.Tensor:
    """BT.601 luma of ``(..., 3)`` uint8 as ``(...)`` uint8."""
    red, green, blue = (video[..., channel].to(torch.int32) for channel in range(3))
    weighted = red * LUMA_WEIGHTS[0] + green * LUMA_WEIGHTS[1] + blue * LUMA_WEIGHTS[2]
    return ((weighted + 128) >> 8).to(torch.uint8)


class Gray(Pipeline):
    """Weights the channels by how bright they look."""

    @classmethod
    def get_config_class(cls) -> type[GrayConfig]:
        return GrayConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        video = torch.cat(kwargs["video"])  # (T, H, W, 3)
        gray = luma(video).unsqueeze(-1).expand_as(video)
        amount = kwargs["amount"]
        if amount < 1:
            gray = torch.lerp(video.float(), gray.float(), amount).round_().to(torch.uint8)
        return {"video": gray}


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Gray)
