"""Where in the cache each file lies. Pure: nothing here touches the disk.

::

    url/DIGEST/NAME                        huggingface/OWNER/REPOSITORY/REVISION/FILE
    pypi/PACKAGE-VERSION/DIGEST/NAME       npm/PACKAGE-VERSION/DIGEST/NAME
    locks/                                 unfinished/

``DIGEST`` is the beginning of the file's sha256, so that two declarations never share a path
unless they mean the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from lightmill.errors import ArtifactError
from lightmill.pipelines.artifacts import (
    Artifact,
    HuggingFaceArtifact,
    NpmArtifact,
    PackedArtifact,
    UrlArtifact,
    WheelArtifact,
)

DIGITS = 12
"""Of the sha256 in a path; 48 bits do not collide by accident."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file of an artifact and its place; ``sha256`` is ``None`` where none was declared."""

    name: str
    path: Path
    sha256: str | None
    artifact: Artifact

    @property
    def size_bytes(self) -> int | None:
        """The declared size, where the artifact is this one file."""
        return self.artifact.size_bytes if len(self.artifact.names) == 1 else None


def cache_directory(configured: str, environ: Mapping[str, str] = os.environ) -> Path:
    """``artifacts.dir``, else the user's cache directory (XDG Base Directory Specification 0.8)."""
    if configured:
        return Path(configured).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if os.path.isabs(base) else Path("~/.cache").expanduser()
    return home / "lightmill"


def files_of(artifact: Artifact, root: Path) -> list[CachedFile]:
    """Every file of the artifact.

    Raises:
        ArtifactError: the kind is unknown, or a name would lead out of its folder.

    """
    folder, digest = _folder(artifact, root)
    return [CachedFile(name, _inside(folder, name), digest, artifact) for name in artifact.names]


def _folder(artifact: Artifact, root: Path) -> tuple[Path, str | None]:
    match artifact:
        case UrlArtifact():
            return root / "url" / artifact.sha256[:DIGITS], artifact.sha256
        case WheelArtifact() | NpmArtifact():
            kind = "pypi" if isinstance(artifact, WheelArtifact) else "npm"
            package = _inside(root / kind, f"{artifact.package}-{artifact.version}")
            return package / artifact.sha256[:DIGITS], artifact.sha256
        case HuggingFaceArtifact():
            repository = _inside(root / "huggingface", artifact.repo_id)
            return _inside(repository, artifact.revision), None
        case _:
            raise ArtifactError(f"{type(artifact).__name__} is no kind of artifact that is known")


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in name:
        raise ArtifactError(f"{name!r} is no file name; an artifact's names are plain paths")
    return folder.joinpath(*parts)


def kind_of(artifact: Artifact) -> str:
    """The artifact's class in one word."""
    match artifact:
        case UrlArtifact():
            return "url"
        case WheelArtifact():
            return "wheel"
        case NpmArtifact():
            return "npm"
        case _:
            return "huggingface"


def source_of(artifact: Artifact) -> str:
    """Where the files come from, in words that a person can follow."""
    match artifact:
        case UrlArtifact():
            return artifact.url
        case PackedArtifact():
            index = "PyPI" if isinstance(artifact, WheelArtifact) else "npm"
            return f"{artifact.member} in {artifact.package} {artifact.version} from {index}"
        case HuggingFaceArtifact():
            return f"{artifact.repo_id} at {artifact.revision[:DIGITS]} from Hugging Face"
        case _:
            return type(artifact).__name__


def download_of(artifact: Artifact) -> str:
    """The name of the one download that brings the artifact; several may come with the same."""
    match artifact:
        case UrlArtifact():
            source: tuple[object, ...] = (artifact.url, artifact.sha256)
        case WheelArtifact():
            wheel = (artifact.python_version, *artifact.platforms)
            source = (artifact.package, artifact.version, *wheel)
        case NpmArtifact():
            source = (artifact.package, artifact.version)
        case HuggingFaceArtifact():
            source = (artifact.repo_id, artifact.revision)
        case _:
            source = (artifact,)
    digest = sha256(repr((kind_of(artifact), source)).encode()).hexdigest()
    return f"{kind_of(artifact)}-{digest[:DIGITS]}"


def by_download(files: Iterable[CachedFile]) -> dict[str, list[CachedFile]]:
    """The files, grouped by what brings them."""
    groups: dict[str, list[CachedFile]] = {}
    for file in files:
        groups.setdefault(download_of(file.artifact), []).append(file)
    return groups


def part_of(path: Path) -> Path:
    """Where a file grows until it is whole and verified."""
    return path.with_name(f"{path.name}.part")


def validator_of(path: Path) -> Path:
    """Where the strong ETag of an unfinished file is kept."""
    return path.with_name(f"{path.name}.part.etag")


def folder_of(file: CachedFile) -> Path:
    """The folder that the file's name begins in."""
    return file.path.parents[len(PurePosixPath(file.name).parts) - 1]


def library_folder_of(file: CachedFile) -> Path | None:
    """Where the Hugging Face library keeps what it has not finished; other kinds have none."""
    if isinstance(file.artifact, HuggingFaceArtifact):
        return folder_of(file) / ".cache"
    return None


def lock_of(root: Path, download: str) -> Path:
    return root / "locks" / f"{download}.lock"


def unfinished_of(root: Path, download: str) -> Path:
    """The folder in which packages are taken apart; its owner holds the download's lock."""
    return root / "unfinished" / download
