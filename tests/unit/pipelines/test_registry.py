from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest

from lightmill import BasePipelineConfig, Pipeline, gpu
from lightmill.errors import PipelineNotFound, PipelineUnavailable
from lightmill.pipelines.registry import PipelineRegistry, build_registry


class BigConfig(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "big"
    estimated_vram_gb: ClassVar[float | None] = 20


class Big(Pipeline):
    @classmethod
    def get_config_class(cls):
        return BigConfig

    def __call__(self, **kwargs):
        return {}


class FakeNvml:
    """An NVML whose GPUs have these sizes; ``None``: no driver."""

    class NVMLError(Exception):
        pass

    def __init__(self, *sizes_gb, broken=False):
        self.sizes_gb, self.broken, self.open = sizes_gb, broken, 0

    def nvmlInit(self):
        if self.sizes_gb == (None,):
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        if self.broken:
            raise self.NVMLError("Unknown Error")
        return len(self.sizes_gb)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetMemoryInfo(self, handle):
        total = self.sizes_gb[handle] * gpu.GIB
        return SimpleNamespace(total=total, free=total // 2)

    def nvmlDeviceGetName(self, handle):
        return b"Fake GPU"

    def nvmlSystemGetDriverVersion(self):
        return "1.0"


@pytest.mark.parametrize(
    ("nvml", "reason"),
    [
        (FakeNvml(8, 24), None),
        (FakeNvml(8), "needs 20 GB of VRAM, the largest GPU here has 8.0 GB"),
        (FakeNvml(), "needs 20 GB of VRAM, this machine has none"),
        (FakeNvml(None), "needs 20 GB of VRAM, this machine has none"),
        (FakeNvml(24, broken=True), "needs 20 GB of VRAM, this machine has none"),
    ],
)
def test_the_vram_gate(nvml, reason):
    registry = PipelineRegistry(lambda: gpu.probe(nvml))
    registry.register(Big)
    entry = registry.entry("big")
    assert (entry.available, entry.reason) == (reason is None, reason)
    assert entry.describe()["reason"] == reason
    assert nvml.open == 0
    if reason is None:
        assert registry.get("big") is Big
    else:
        with pytest.raises(PipelineUnavailable, match="needs 20 GB"):
            registry.get("big")


def test_absence_and_breakage_have_a_reason():
    assert "no NVIDIA driver" in gpu.probe(FakeNvml(None)).reason
    assert "does not answer" in gpu.probe(FakeNvml(24, broken=True)).reason
    report = gpu.probe(FakeNvml(8))
    assert report.gpus[0].name == "Fake GPU" and report.reason is None


def test_wrong_classes_and_taken_ids_are_refused():
    registry = build_registry()
    with pytest.raises(ValueError, match="not a subclass"):
        registry.register(object)
    registry.register(Big)
    with pytest.raises(ValueError, match="is taken"):
        registry.register(Big)
    with pytest.raises(PipelineNotFound, match="passthrough, gray"):
        registry.get("nothing")
