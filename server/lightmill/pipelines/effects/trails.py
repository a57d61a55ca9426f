"""Moving things leave light behind; works on four frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements

INPUT_SIZE = 4


class TrailsConfig(BasePipelineConfig):
    """How long the light stays."""

    pipeline_id: ClassVar[str] = "trails"
    pipeline_name: ClassVar[str] = "Trails"
    pipeline_description: ClassVar[str] = "Bright moving things leave fading trails."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "short": {"decay": 0.6},
        "comet": {"decay": 0.9},
        "light-painting": {"decay": 0.98},
    }

    decay: float = Field(
        default=0.85, ge=0, le=0.99, description="Share of the light that lasts to the next frame",
        json_schema_extra=ui_field_config(order=1, label="Decay"),
    )  # fmt: skip


class Trails(Pipeline):
    """Keeps the glow between chunks; another resolution starts it anew."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._glow: torch.Tensor | None = None  # (H, W, 3) float, 0..255

    @classmethod
    def get_config_class(cls) -> type[TrailsConfig]:
        return TrailsConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=INPUT_SIZE)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        glow = None if kwargs["init_cache"] else self._glow
        frames: list[torch.Tensor] = []
        for frame in kwargs["video"]:
            light = frame[0].float()  # (H, W, 3)
            if glow is None or glow.shape != light.shape:
                glow = light
            else:
                glow = torch.maximum(light, glow * kwargs["decay"])
            frames.append(glow.to(torch.uint8))
        self._glow = glow
        if len({frame.shape for frame in frames}) > 1:
            return {"video": frames}
        return {"video": torch.stack(frames)}  # (T, H, W, 3)

    def close(self) -> None:
        self._glow = None


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Trails)
