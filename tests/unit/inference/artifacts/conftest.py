"""A cache of its own for each test, and a server whose file is declared."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lightmill.config import ArtifactsConfig
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.pipelines.artifacts import Artifact, UrlArtifact
from lightmill.pipelines.config import BasePipelineConfig
from tests.unit.inference.artifacts.origin import Origin

CONTENT = random.Random(4).randbytes(1_000_000)


def needing(*needed: Artifact, pipeline: str = "thinker") -> type[BasePipelineConfig]:
    """A config class that declares these."""

    class Config(BasePipelineConfig):
        pipeline_id = pipeline
        artifacts: ClassVar[list[Artifact]] = list(needed)

    return Config


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(CONTENT) as serving:
        yield serving


@pytest.fixture
def weights(origin: Origin) -> UrlArtifact:
    return UrlArtifact(
        url=origin.url,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT),
        licence="MIT",
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def open_store(cache: Path) -> Callable[..., ArtifactStore]:
    def make(declared: tuple[Artifact, ...] = (), **settings: Any) -> ArtifactStore:
        chosen = {"dir": str(cache), "min_free_bytes": 0, "stall_timeout_s": 5.0} | settings
        return ArtifactStore(ArtifactsConfig(**chosen), lambda: declared)

    return make


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small tmpfs; skips where that takes rights that the tests do not have."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / "mounted"
        place.mkdir(exist_ok=True)
        if os.geteuid() != 0:
            pytest.skip("mounting a tmpfs needs root")
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place],
            capture_output=True,
            check=False,
        )
        if made.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)
