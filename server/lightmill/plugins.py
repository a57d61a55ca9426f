"""Plug-ins: packages with an entry point in the group ``lightmill``."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

import pluggy

from lightmill import hookspecs
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.registry import PipelineRegistry

logger = logging.getLogger(__name__)

GROUP = "lightmill"


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plug-in, or one of its pipelines, that was skipped."""

    plugin: str
    error: str

    def to_json(self) -> dict[str, str]:
        return {"plugin": self.plugin, "error": self.error}


@dataclass(slots=True)
class PluginReport:
    """What `load_plugins` did."""

    loaded: list[str] = field(default_factory=list[str])
    failed: list[PluginFailure] = field(default_factory=list[PluginFailure])


def load_plugins(registry: PipelineRegistry, blocked: Collection[str] = ()) -> PluginReport:
    """Load every plug-in that is installed and not ``blocked``; a broken one is named and skipped."""
    report = PluginReport()
    for point in entry_points(group=GROUP):
        if point.name not in blocked:
            _load(point, registry, report)
    return report


def _load(point: EntryPoint, registry: PipelineRegistry, report: PluginReport) -> None:
    def register(pipeline: type[Pipeline]) -> None:
        try:
            registry.register(pipeline, plugin=point.name)
        except ValueError as error:
            fail(error)

    def fail(error: BaseException) -> None:
        logger.warning("plug-in %s: %s", point.name, error)
        report.failed.append(PluginFailure(point.name, f"{type(error).__name__}: {error}"))

    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    try:
        plugins.register(point.load(), point.name)
        plugins.hook.register_pipelines(register=register)
    except Exception as error:  # a plug-in's wall: whatever it raises is its own failure
        logger.exception("plug-in %s is skipped", point.name)
        fail(error)
    else:
        report.loaded.append(point.name)
