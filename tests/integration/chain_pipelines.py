"""Pipelines for chains: they show their order in the picture and record when they worked."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import torch
from pydantic import Field

from lightmill import (
    BasePipelineConfig,
    ModeDefaults,
    Pipeline,
    Requirements,
    UsageType,
    ui_field_config,
)

BOTH = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]


class StepConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-step"
    pipeline_name: ClassVar[str] = "Step"
    usage: ClassVar[list[UsageType]] = BOTH
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    label: str = Field("", json_schema_extra=ui_field_config())
    scale: float = Field(1.0, ge=0, le=4, json_schema_extra=ui_field_config())
    offset: int = Field(0, ge=-255, le=255, json_schema_extra=ui_field_config())
    size: int = Field(1, ge=1, le=48, json_schema_extra=ui_field_config())
    repeat: int = Field(1, ge=1, le=4, json_schema_extra=ui_field_config())
    delay_ms: float = Field(0, ge=0, le=5000, json_schema_extra=ui_field_config())
    fail: bool = Field(False, json_schema_extra=ui_field_config())
    model: int = Field(0, json_schema_extra=ui_field_config(is_load_param=True))


class Step(Pipeline):
    """The lower half becomes ``scale * v + offset``; ``calls`` holds (label, instance, start, end)."""

    calls: ClassVar[list[tuple[str, int, float, float]]] = []

    @classmethod
    def get_config_class(cls) -> type[StepConfig]:
        return StepConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=kwargs["size"])

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        start = time.monotonic()
        time.sleep(kwargs["delay_ms"] / 1000)
        if kwargs["fail"]:
            raise ValueError("told to fail")
        video = torch.cat(kwargs["video"])  # (T, H, W, 3)
        lower = video[:, video.shape[1] // 2 :]
        lower[:] = (lower.float() * kwargs["scale"] + kwargs["offset"]).clamp(0, 255).byte()
        self.calls.append((kwargs["label"], id(self), start, time.monotonic()))
        return {"video": video.repeat_interleave(kwargs["repeat"], 0)}


class VeilConfig(StepConfig):
    pipeline_id: ClassVar[str] = "test-veil"
    fails_closed: ClassVar[bool] = True


class Veil(Step):
    """Hides something, so it must not be bypassed when it fails."""

    @classmethod
    def get_config_class(cls) -> type[VeilConfig]:
        return VeilConfig


class StillConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-still"
    pipeline_name: ClassVar[str] = "Still"
    modes: ClassVar[dict[str, ModeDefaults]] = {
        "text": ModeDefaults(default=True),
        "video": ModeDefaults(),
    }
    rate: float = Field(0, ge=0, le=120, json_schema_extra=ui_field_config())


class Still(Pipeline):
    """Grey 100 in text mode, with a little sound; the input in video mode."""

    @classmethod
    def get_config_class(cls) -> type[StillConfig]:
        return StillConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1) if kwargs.get("video") else None

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if "video" in kwargs:
            return {"video": kwargs["video"]}
        picture = torch.full((2, 48, 64, 3), 100, dtype=torch.uint8)
        return {"video": picture, "audio": torch.zeros(3200), "frame_rate": kwargs["rate"]}


CHAIN_PIPELINES: list[type[Pipeline]] = [Step, Veil, Still]
