"""Lightmill with a pipeline that is slower than any camera: ``slow_server.py PORT``."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, ClassVar

import torch

from lightmill import BasePipelineConfig, ModeDefaults, Pipeline, Requirements
from lightmill.app import serve
from lightmill.config import load_config
from lightmill.pipelines.registry import registry

FRAME_S = 0.1
"""Seconds that a frame takes: a third of what a camera at 30 fps brings is shown."""


class SlowConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "slow"
    pipeline_name: ClassVar[str] = "Slow"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}


class Slow(Pipeline):
    @classmethod
    def get_config_class(cls) -> type[SlowConfig]:
        return SlowConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        time.sleep(FRAME_S)
        return {"video": torch.cat(kwargs["video"])}


def main() -> None:
    registry().register(Slow, plugin="benchmarks")
    flags = {"server": {"port": int(sys.argv[1])}, "session": {"default_pipeline": "slow"}}
    asyncio.run(serve(load_config(flags=flags), print))


if __name__ == "__main__":
    main()
