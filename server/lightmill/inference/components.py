"""Heavy, read-only parts of pipelines: loaded once per device, shared, reference-counted."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from threading import Lock

import torch

from lightmill.inference.artifacts.progress import OnProgress, Phase, Progress, ignore
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.contract import Pipeline

logger = logging.getLogger(__name__)

Key = tuple[type[Pipeline], str, str]


@dataclass(slots=True)
class _Shared:
    """One loaded set of components and the number of sessions that hold it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: bool = False
    components: object | None = None
    holders: int = 0
    progress: Progress | None = None
    listeners: list[OnProgress] = field(default_factory=list[OnProgress])

    def tell(self, progress: Progress) -> None:
        self.progress = progress
        for listener in list(self.listeners):
            listener(progress)


class ComponentLease:
    """A session's hold on shared components; `release` is idempotent."""

    def __init__(self, store: ComponentStore, key: Key, components: object | None) -> None:
        self._store = store
        self._key: Key | None = key
        self.components = components

    def release(self) -> None:
        if self._key is not None:
            self._store.drop(self._key)
            self._key = None
            self.components = None


class ComponentStore:
    """Loads components on first use and forgets them with their last lease."""

    def __init__(self, executors: DeviceExecutors, artifacts: ArtifactStore) -> None:
        self._executors = executors
        self._artifacts = artifacts
        self._shared: dict[Key, _Shared] = {}
        self._counting = Lock()  # stages let go in their device's thread

    async def acquire(
        self,
        pipeline: type[Pipeline],
        config: BasePipelineConfig,
        device: torch.device,
        on_progress: OnProgress = ignore,
    ) -> ComponentLease:
        """Share or load what ``pipeline`` needs with these load parameters on ``device``.

        Its artifacts are fetched first. ``on_progress`` hears how far that is, also when another
        session began it.

        Raises:
            ArtifactError: a file that it needs cannot be had.
            Exception: whatever the pipeline raises.

        """
        key = (pipeline, str(device), _load_key(config))
        with self._counting:
            shared = self._shared.setdefault(key, _Shared())
            shared.holders += 1
        shared.listeners.append(on_progress)
        try:
            if shared.progress is not None:
                on_progress(shared.progress)
            async with shared.lock:
                if not shared.loaded:
                    shared.components = await self._load(pipeline, config, device, shared.tell)
                    shared.loaded = True
        except BaseException:
            self.drop(key)
            raise
        finally:
            shared.listeners.remove(on_progress)
        return ComponentLease(self, key, shared.components)

    async def _load(
        self,
        pipeline: type[Pipeline],
        config: BasePipelineConfig,
        device: torch.device,
        tell: OnProgress,
    ) -> object | None:
        files = await self._artifacts.fetch(type(config), tell)
        tell(Progress(Phase.LOAD))
        components = await self._executors.run(
            device, lambda: pipeline.load_components(config, device, files)
        )
        tell(Progress(Phase.WARM_UP))
        await self._executors.run(device, lambda: _warm_up(pipeline, components, device))
        return components

    def drop(self, key: Key) -> None:
        """Give one hold back, from any thread; the last one frees the components."""
        with self._counting:
            shared = self._shared.get(key)
            if shared is None:
                return
            shared.holders -= 1
            if shared.holders > 0:
                return
            del self._shared[key]
        logger.debug("components of %s freed", key[0].__name__)

    def __len__(self) -> int:
        return len(self._shared)


def _warm_up(pipeline: type[Pipeline], components: object | None, device: torch.device) -> None:
    with torch.inference_mode():
        pipeline.warm_up(components, device)


def _load_key(config: BasePipelineConfig) -> str:
    values = config.model_dump(mode="json", include=set(type(config).load_params()))
    return json.dumps(values, sort_keys=True)
