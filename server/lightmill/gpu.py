"""What NVIDIA GPUs this machine has, asked of the driver through NVML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pynvml

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class GpuInfo:
    """One GPU; memory in bytes."""

    index: int
    name: str
    total_bytes: int
    free_bytes: int

    @property
    def total_gb(self) -> float:
        return self.total_bytes / GIB


@dataclass(frozen=True, slots=True)
class GpuReport:
    """All GPUs, or the reason why there is none."""

    gpus: tuple[GpuInfo, ...] = ()
    driver: str | None = None
    reason: str | None = None

    @property
    def largest_gb(self) -> float:
        """Total VRAM of the largest GPU, 0 without any."""
        return max((gpu.total_gb for gpu in self.gpus), default=0.0)


def probe(nvml: Any = pynvml) -> GpuReport:  # Any: a module, replaced in tests
    """Ask NVML once and let go of it; a machine without a driver gives a reason, no error."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpuReport(reason=f"no NVIDIA driver answers: {error}")
    try:
        gpus = tuple(_describe(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        driver = _text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError as error:
        return GpuReport(reason=f"the NVIDIA driver does not answer: {error}")
    finally:
        nvml.nvmlShutdown()
    return GpuReport(gpus, driver, None if gpus else "the NVIDIA driver lists no GPU")


def _describe(nvml: Any, index: int) -> GpuInfo:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name = _text(nvml.nvmlDeviceGetName(handle))
    return GpuInfo(index, name, int(memory.total), int(memory.free))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
