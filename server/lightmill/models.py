"""``lightmill models``: the files that pipelines need, looked at and fetched without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from lightmill.config import Config
from lightmill.inference.artifacts.progress import Progress
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.pipelines.registry import registry as process_registry
from lightmill.plugins import load_plugins

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Models:
    """The pipelines of this installation and the cache of their files."""

    registry: PipelineRegistry
    config: Config

    def store(self) -> ArtifactStore:
        return ArtifactStore(self.config.artifacts, self.registry.artifacts)


def open_models(config: Config) -> Models:
    registry = process_registry()
    if config.plugins.enabled:
        load_plugins(registry, config.plugins.blocked)
    return Models(registry, config)


def describe(models: Models) -> dict[str, Any]:
    """The cache directory, and ARTIFACT of ``docs/protocol.md`` for each pipeline that has some."""

    async def look() -> dict[str, Any]:
        store = models.store()
        entries = [entry for entry in models.registry.entries() if entry.config.artifacts]
        return {
            "dir": str(store.root),
            "pipelines": {e.config.pipeline_id: await store.describe(e.config) for e in entries},
        }

    return asyncio.run(look())


def table(described: dict[str, Any]) -> Table:
    """One line for each artifact."""
    lines = Table("pipeline", "file", "MB", "licence", "from", "state")
    for pipeline, artifacts in described["pipelines"].items():
        for artifact in artifacts:
            size = f"{artifact['size_bytes'] / MB:.1f}"
            names = ", ".join(artifact["names"])
            source = artifact["source"]
            lines.add_row(pipeline, names, size, artifact["licence"], source, artifact["state"])
    return lines


def fetch(models: Models, pipeline: str, console: Console) -> dict[str, Any]:
    """Fetch what the pipeline needs, with a bar; returns the files' paths by name.

    Raises:
        PipelineNotFound, ArtifactError: there is no such pipeline; a file cannot be had.

    """
    config = models.registry.entry(pipeline).config
    for artifact in config.artifacts:
        console.print(f"{', '.join(artifact.names)}: licence {artifact.licence}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(*columns, TransferSpeedColumn(), console=console) as bars:
        tasks: dict[str, Any] = {}  # Any: rich numbers its bars by a type of its own

        def show(progress: Progress) -> None:
            name = progress.file or ""
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=progress.total_bytes)
            done, total = progress.done_bytes or 0, progress.total_bytes
            bars.update(tasks[name], completed=done, total=total)

        async def bring() -> dict[str, Any]:
            store = models.store()
            try:
                return dict(await store.fetch(config, show))
            finally:
                await store.aclose()

        return asyncio.run(bring())


def remove(models: Models, pipeline: str) -> None:
    """Delete the pipeline's files. Raises `PipelineNotFound` or `CacheUnwritable`."""
    config = models.registry.entry(pipeline).config
    asyncio.run(models.store().remove(config))
