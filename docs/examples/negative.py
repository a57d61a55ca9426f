"""A plug-in in thirty lines: the picture as a photographic negative."""

from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field

from lightmill import BasePipelineConfig, ModeDefaults, Pipeline, Requirements, hookimpl
from lightmill import ui_field_config


class NegativeConfig(BasePipelineConfig):
    pipeline_id = "negative"
    pipeline_name = "Negative"
    modes = {"video": ModeDefaults(default=True)}
    amount: float = Field(1.0, ge=0, le=1, json_schema_extra=ui_field_config(label="Amount"))


class Negative(Pipeline):
    @classmethod
    def get_config_class(cls) -> type[NegativeConfig]:
        return NegativeConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        video = torch.cat(kwargs["video"]).float() / 255  # (T, H, W, 3) in [0, 1]
        return {"video": torch.lerp(video, 1 - video, kwargs["amount"])}


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Negative)
