"""Lightmill: a real-time WebRTC media server for live AI video. These names are its public door."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightmill.hookspecs import hookimpl
    from lightmill.pipelines.artifacts import (
        Files,
        HuggingFaceArtifact,
        NpmArtifact,
        UrlArtifact,
        WheelArtifact,
    )
    from lightmill.pipelines.config import (
        BasePipelineConfig,
        CtrlInput,
        ModeDefaults,
        UsageType,
        ui_field_config,
    )
    from lightmill.pipelines.contract import Pipeline, Requirements, prepare_for_mode
    from lightmill.planes import YuvPlanes

__version__ = version("lightmill")

__all__ = [
    "BasePipelineConfig",
    "CtrlInput",
    "Files",
    "HuggingFaceArtifact",
    "ModeDefaults",
    "NpmArtifact",
    "Pipeline",
    "Requirements",
    "UrlArtifact",
    "UsageType",
    "WheelArtifact",
    "YuvPlanes",
    "hookimpl",
    "prepare_for_mode",
    "ui_field_config",
]

_HOMES = {
    "Files": "pipelines.artifacts",
    "HuggingFaceArtifact": "pipelines.artifacts",
    "NpmArtifact": "pipelines.artifacts",
    "Pipeline": "pipelines.contract",
    "Requirements": "pipelines.contract",
    "UrlArtifact": "pipelines.artifacts",
    "WheelArtifact": "pipelines.artifacts",
    "YuvPlanes": "planes",
    "hookimpl": "hookspecs",
    "prepare_for_mode": "pipelines.contract",
}


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    """Import public names on first use, so that ``lightmill --help`` does not load torch."""
    if name not in __all__:
        raise AttributeError(f"module 'lightmill' has no attribute {name!r}")
    return getattr(import_module(f"lightmill.{_HOMES.get(name, 'pipelines.config')}"), name)
