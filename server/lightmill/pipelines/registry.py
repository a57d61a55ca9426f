"""All pipelines that this process knows. Built-ins are registered when this module is imported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pluggy

from lightmill import gpu, hookspecs
from lightmill.errors import PipelineNotFound, PipelineUnavailable
from lightmill.pipelines import effects, neural, passthrough, testcard
from lightmill.pipelines.artifacts import Artifact
from lightmill.pipelines.config import CONTROLS_FIELD, BasePipelineConfig
from lightmill.pipelines.contract import Pipeline

logger = logging.getLogger(__name__)

BUILT_INS = (passthrough, *effects.MODULES, *neural.MODULES, testcard)


class InvalidPipeline(ValueError):
    """A class that cannot be registered; the message says why."""


@dataclass(frozen=True, slots=True)
class PipelineEntry:
    """A pipeline, where it came from, and whether this machine can run it."""

    pipeline: type[Pipeline]
    plugin: str | None
    reason: str | None

    @property
    def available(self) -> bool:
        return self.reason is None

    @property
    def config(self) -> type[BasePipelineConfig]:
        return self.pipeline.get_config_class()

    def describe(self) -> dict[str, Any]:
        """The PIPELINE of ``docs/protocol.md``."""
        config = self.config
        flags = ("lora", "vace", "cache_management", "quantization", "kv_cache_bias")
        return {
            "id": config.pipeline_id,
            "name": config.pipeline_name,
            "description": config.pipeline_description,
            "version": config.pipeline_version,
            "docs_url": config.docs_url,
            "plugin": self.plugin,
            "usage": [str(usage) for usage in config.usage],
            "estimated_vram_gb": config.estimated_vram_gb,
            "available": self.available,
            "reason": self.reason,
            **{f"supports_{flag}": getattr(config, f"supports_{flag}") for flag in flags},
            "supports_controls": CONTROLS_FIELD in config.model_fields,
            "default_mode": config.default_mode(),
            "modes": {mode: {"defaults": config.defaults_for_mode(mode)} for mode in config.modes},
            "presets": config.presets_json(),
            "config_schema": config.settings_schema(),
        }


class PipelineRegistry:
    """Pipelines by id. One whose VRAM need no GPU here meets is listed, but cannot be used."""

    def __init__(self, gpu_probe: Callable[[], gpu.GpuReport] = gpu.probe) -> None:
        self._probe = gpu_probe
        self._report: gpu.GpuReport | None = None
        self._entries: dict[str, PipelineEntry] = {}

    def register(self, pipeline: type[Pipeline], plugin: str | None = None) -> None:
        """Add a pipeline class.

        Raises:
            InvalidPipeline: it is no pipeline, its id is taken, its schema cannot be made, or it refuses
                a preset of its own.

        """
        if not (isinstance(pipeline, type) and issubclass(pipeline, Pipeline)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidPipeline(f"{pipeline!r} is not a subclass of lightmill.Pipeline")
        try:
            config = pipeline.get_config_class()
            config.check_presets()
            entry = PipelineEntry(pipeline, plugin, self._missing_vram(config))
            entry.describe()
        except Exception as error:
            raise InvalidPipeline(f"{pipeline.__name__} has no usable config: {error}") from error
        if config.pipeline_id in self._entries:
            raise InvalidPipeline(f"the pipeline id {config.pipeline_id!r} is taken")
        self._entries[config.pipeline_id] = entry

    def _missing_vram(self, config: type[BasePipelineConfig]) -> str | None:
        needed = config.estimated_vram_gb
        if needed is None:
            return None
        if self._report is None:
            self._report = self._probe()
        largest = self._report.largest_gb
        if not self._report.gpus:
            return f"needs {needed:g} GB of VRAM, this machine has none"
        if largest < needed:
            return f"needs {needed:g} GB of VRAM, the largest GPU here has {largest:.1f} GB"
        return None

    def entries(self) -> list[PipelineEntry]:
        return list(self._entries.values())

    def artifacts(self) -> list[Artifact]:
        """All files that any pipeline declares."""
        return [artifact for entry in self.entries() for artifact in entry.config.artifacts]

    def entry(self, pipeline_id: str) -> PipelineEntry:
        """Look up by id. Raises `PipelineNotFound`, which lists the ids."""
        try:
            return self._entries[pipeline_id]
        except KeyError:
            ids = ", ".join(self._entries)
            raise PipelineNotFound(f"no pipeline {pipeline_id!r}; there are {ids}") from None

    def get(self, pipeline_id: str) -> type[Pipeline]:
        """The class to run. Raises `PipelineNotFound` or `PipelineUnavailable`."""
        entry = self.entry(pipeline_id)
        if entry.reason is not None:
            raise PipelineUnavailable(f"{pipeline_id} cannot run here: it {entry.reason}")
        return entry.pipeline


def build_registry(gpu_probe: Callable[[], gpu.GpuReport] = gpu.probe) -> PipelineRegistry:
    """A new registry with the built-ins, registered through the hook that plug-ins use."""
    registry = PipelineRegistry(gpu_probe)
    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    for module in reversed(BUILT_INS):  # pluggy calls the last registered first
        plugins.register(module)
    plugins.hook.register_pipelines(register=registry.register)
    return registry


_REGISTRY = build_registry()


def registry() -> PipelineRegistry:
    """The process' registry."""
    return _REGISTRY
