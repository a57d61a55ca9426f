"""Threads that run pipelines: one per CUDA device, a bounded pool for the CPU."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from lightmill.errors import ConfigError

T = TypeVar("T")


def resolve_device(name: str) -> torch.device:
    """Turn ``inference.device`` into a device; ``auto`` is CUDA when torch finds one.

    Raises:
        ConfigError: the name is no device, or CUDA is asked for and not there.

    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"inference.device: {name!r} is no device; use auto, cpu or cuda:0"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("inference.device: no CUDA device is usable here; use auto or cpu")
    return device


class DeviceExecutors:
    """Owns every inference thread.

    A CUDA device has one thread, so that its stages take fair turns, chunk by chunk: each stage
    has at most one chunk in flight and the thread serves first come, first served. The CPU has at
    least two, so that the stages of one chain work at the same time.

    In each thread torch computes with ``torch_threads`` threads. By itself it would spread every
    operation over all cores and let them wait for each other turning in circles: where the cores
    have other sessions' work, a small convolution was seen to cost ten times its CPU.
    """

    def __init__(self, cpu_threads: int = 0, torch_threads: int = 1) -> None:
        self._cpu_threads = cpu_threads or max(2, os.cpu_count() or 1)
        self._torch_threads = torch_threads
        self._pools: dict[str, ThreadPoolExecutor] = {}

    async def run(self, device: torch.device, function: Callable[[], T]) -> T:
        """Run ``function`` in the device's thread; cancelling stops the wait, not the work."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool(device), function)

    def _pool(self, device: torch.device) -> ThreadPoolExecutor:
        key = str(device)
        if key not in self._pools:
            workers = self._cpu_threads if device.type == "cpu" else 1
            self._pools[key] = ThreadPoolExecutor(
                workers, f"infer-{key}", torch.set_num_threads, (self._torch_threads,)
            )
        return self._pools[key]

    async def aclose(self) -> None:
        """Wait for running work and end every thread. Idempotent."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
