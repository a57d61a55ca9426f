"""A pipeline on planes: brighter and green, without a conversion to RGB and back."""

from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field

from lightmill import BasePipelineConfig, ModeDefaults, Pipeline, Requirements, YuvPlanes
from lightmill import hookimpl, ui_field_config


class NightVisionConfig(BasePipelineConfig):
    pipeline_id = "night-vision"
    pipeline_name = "Night vision"
    modes = {"video": ModeDefaults(default=True)}
    gain: float = Field(2.0, ge=1, le=8, json_schema_extra=ui_field_config(label="Gain"))


class NightVision(Pipeline):
    accepts = "yuv420p"

    @classmethod
    def get_config_class(cls) -> type[NightVisionConfig]:
        return NightVisionConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        return {"video": [self._brighten(planes, kwargs["gain"]) for planes in kwargs["video"]]}

    def _brighten(self, planes: YuvPlanes, gain: float) -> YuvPlanes:
        black, white = (0, 255) if planes.full_range else (16, 235)
        y = (planes.y.float() - black).mul_(gain).add_(black).clamp_(black, white)
        u, v = torch.full_like(planes.u, 96), torch.full_like(planes.v, 96)  # green
        return YuvPlanes(y.to(torch.uint8), u, v, planes.matrix, planes.full_range)


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(NightVision)
