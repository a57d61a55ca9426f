"""Threads that run pipelines."""

from __future__ import annotations

import pytest
import torch

from lightmill.inference.executors import DeviceExecutors

CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [1, 2])
async def test_torch_uses_as_many_threads_as_it_may(count):
    executors = DeviceExecutors(1, count)
    try:
        assert await executors.run(CPU, torch.get_num_threads) == count
    finally:
        await executors.aclose()


async def test_the_cpu_has_threads_for_two_stages():
    executors = DeviceExecutors()
    try:
        await executors.run(CPU, lambda: None)
        assert executors._pool(CPU)._max_workers >= 2
    finally:
        await executors.aclose()
