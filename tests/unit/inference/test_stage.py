"""What a stage refuses of a pipeline's result."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from lightmill.config import ArtifactsConfig
from lightmill.errors import PipelineFailed
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.inference.stage import Stage
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.contract import Pipeline, Requirements

CPU = torch.device("cpu")


class PacedConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "test-paced"


class Paced(Pipeline):
    rate: Any = 0

    @classmethod
    def get_config_class(cls) -> type[PacedConfig]:
        return PacedConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return None

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        return {"video": torch.zeros(1, 16, 16, 3), "frame_rate": self.rate}


@pytest.fixture
async def stage():
    executors = DeviceExecutors(1)
    store = ComponentStore(executors, ArtifactStore(ArtifactsConfig()))
    stage = Stage(Paced, {}, CPU, await store.acquire(Paced, PacedConfig(), CPU))
    yield stage
    stage.close()
    assert len(store) == 0
    await executors.aclose()


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf")])
async def test_a_frame_rate_that_is_none_is_refused(stage, monkeypatch, rate):
    monkeypatch.setattr(Paced, "rate", rate)
    with pytest.raises(PipelineFailed, match="frame_rate"):
        stage.process([], {}, None, last=True)


async def test_no_frame_rate_is_no_error(stage, monkeypatch):
    for rate, told in ((0, None), (None, None), (24, 24.0)):
        monkeypatch.setattr(Paced, "rate", rate)
        assert stage.process([], {}, None, last=True).frame_rate == told
