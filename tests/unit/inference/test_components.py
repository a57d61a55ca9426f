from __future__ import annotations

import asyncio
from typing import Any

import torch

from lightmill import Pipeline
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from tests.unit.inference.artifacts.conftest import (
    CONTENT,
    cache,
    needing,
    open_store,
    origin,
    weights,
)

__all__ = ["cache", "open_store", "origin", "weights"]  # fixtures

CPU = torch.device("cpu")


async def test_files_come_first_and_every_session_that_waits_sees_how_far_it_is(
    origin, weights, open_store
):
    config = needing(weights)
    calls: list[Any] = []

    class Thinker(Pipeline):
        @classmethod
        def get_config_class(cls):
            return config

        @classmethod
        def load_components(cls, config, device, files):
            calls.append("load")
            return files["weights.bin"].read_bytes()

        @classmethod
        def warm_up(cls, components, device):
            calls.append(("warm_up", components == CONTENT, torch.is_inference_mode_enabled()))

        def __call__(self, **kwargs: Any) -> dict[str, Any]:
            raise NotImplementedError

    executors, artifacts = DeviceExecutors(1), open_store()
    store = ComponentStore(executors, artifacts)
    seen: tuple[list[str], list[str]] = ([], [])
    origin.hold_after = len(CONTENT) // 2

    def acquire(told):
        wish = store.acquire(Thinker, config(), CPU, lambda progress: told.append(progress.phase))
        return asyncio.create_task(wish)

    one = acquire(seen[0])
    async with asyncio.timeout(20):
        while not seen[0]:
            await asyncio.sleep(0.01)
    other = acquire(seen[1])
    await asyncio.sleep(0)
    assert seen[1] == ["download"]
    origin.released.set()
    leases = await asyncio.gather(one, other)
    assert leases[0].components is leases[1].components and len(store) == 1
    assert calls == ["load", ("warm_up", True, True)]
    for told in seen:
        assert told[-2:] == ["load", "warm_up"] and set(told[:-2]) == {"download"}
    for lease in leases:
        lease.release()
    assert len(store) == 0
    await artifacts.aclose()
    await executors.aclose()
