"""Pipelines that make timing and failure visible. They record what they were given."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import torch
from pydantic import Field

from lightmill import (
    BasePipelineConfig,
    CtrlInput,
    ModeDefaults,
    Pipeline,
    Requirements,
    ui_field_config,
)
from lightmill.pipelines.artifacts import Files


class SlowConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-slow"
    pipeline_name: ClassVar[str] = "Slow"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    delay_ms: int = Field(100, ge=0, le=5000, json_schema_extra=ui_field_config())
    level: int = Field(0, ge=0, le=1000, json_schema_extra=ui_field_config())


class Slow(Pipeline):
    """Needs ``delay_ms`` a frame; ``calls`` holds (time, level) of every call."""

    calls: ClassVar[list[tuple[float, int]]] = []

    @classmethod
    def get_config_class(cls) -> type[SlowConfig]:
        return SlowConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        self.calls.append((time.monotonic(), kwargs["level"]))
        time.sleep(kwargs["delay_ms"] / 1000)
        return {"video": torch.cat(kwargs["video"])}


class FaultyConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-faulty"
    pipeline_name: ClassVar[str] = "Faulty"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    fail: bool = Field(True, json_schema_extra=ui_field_config())
    fail_load: bool = Field(False, json_schema_extra=ui_field_config(is_load_param=True))


class Faulty(Pipeline):
    """Raises where it is told to."""

    @classmethod
    def get_config_class(cls) -> type[FaultyConfig]:
        return FaultyConfig

    @classmethod
    def load_components(cls, config: Any, device: torch.device, files: Files) -> object | None:
        if config.fail_load:
            raise RuntimeError("no weights here")
        return None

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["fail"]:
            raise ValueError("told to fail")
        return {"video": torch.cat(kwargs["video"])}


class CounterConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-counter"
    pipeline_name: ClassVar[str] = "Counter"
    modes: ClassVar[dict[str, ModeDefaults]] = {
        "text": ModeDefaults(default=True),
        "video": ModeDefaults(),
    }
    shade: int = Field(0, ge=0, le=255, json_schema_extra=ui_field_config())


class Counter(Pipeline):
    """Grey pictures of ``shade``; ``calls`` holds the shade of every call, text or video."""

    calls: ClassVar[list[int]] = []

    @classmethod
    def get_config_class(cls) -> type[CounterConfig]:
        return CounterConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1) if kwargs.get("video") else None

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        self.calls.append(kwargs["shade"])
        if "video" in kwargs:
            return {"video": torch.cat(kwargs["video"])}
        return {"video": torch.full((1, 240, 320, 3), kwargs["shade"], dtype=torch.uint8)}


class PlayerConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-player"
    pipeline_name: ClassVar[str] = "Player"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    ctrl_input: CtrlInput | None = None


class Player(Pipeline):
    """Wants keyboard and mouse, and has components; both are recorded."""

    inputs: ClassVar[list[CtrlInput]] = []
    loads: ClassVar[list[str]] = []

    @classmethod
    def get_config_class(cls) -> type[PlayerConfig]:
        return PlayerConfig

    @classmethod
    def load_components(cls, config: Any, device: torch.device, files: Files) -> object | None:
        cls.loads.append(str(device))
        return object()

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        assert self.components is not None
        self.inputs.append(kwargs["ctrl_input"])
        return {"video": torch.cat(kwargs["video"])}


class ChunksConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-chunks"
    pipeline_name: ClassVar[str] = "Chunks"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    size: int = Field(12, ge=1, le=48, json_schema_extra=ui_field_config())
    delay_ms: int = Field(100, ge=0, le=5000, json_schema_extra=ui_field_config())
    speak: bool = Field(False, json_schema_extra=ui_field_config())


class Chunks(Pipeline):
    """``size`` frames at once after ``delay_ms``; with ``speak`` bright frames make a 1 kHz tone."""

    @classmethod
    def get_config_class(cls) -> type[ChunksConfig]:
        return ChunksConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=kwargs["size"])

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        time.sleep(kwargs["delay_ms"] / 1000)
        video = torch.cat(kwargs["video"])
        if not kwargs["speak"]:
            return {"video": video}
        bright = video.float().mean((1, 2, 3)) > 128  # (T,)
        tone = torch.sin(torch.arange(1600 * len(bright)) * (2 * torch.pi * 1000 / 48_000)) * 0.4
        return {
            "video": video,
            "audio": tone * bright.repeat_interleave(1600),
            "audio_rate": 48_000,
        }


class TellingConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-telling"
    pipeline_name: ClassVar[str] = "Telling"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    padding: int = Field(0, ge=0, le=100_000, json_schema_extra=ui_field_config())
    wrong: bool = Field(False, json_schema_extra=ui_field_config())


class Telling(Pipeline):
    """Passes pictures, and says as data which number each shows."""

    @classmethod
    def get_config_class(cls) -> type[TellingConfig]:
        return TellingConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        (video,) = kwargs["video"]
        upper = video[0, : video.shape[1] // 4, :, 1].float().mean(dim=0)  # (W,)
        blocks = upper.reshape(16, -1).mean(dim=1) > 128
        number = sum(1 << bit for bit, lit in enumerate(blocks.tolist()) if lit)
        shown: object = float("nan") if kwargs["wrong"] else number
        return {"video": video, "data": {"number": shown, "padding": "x" * kwargs["padding"]}}


TEST_PIPELINES = [Player, Slow, Faulty, Counter, Chunks, Telling]
