"""What goes wrong with a file, told so that a person can mend it."""

from __future__ import annotations

import errno
from pathlib import Path

from lightmill.errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactUnreachable,
    CacheFull,
    CacheUnwritable,
)
from lightmill.inference.artifacts.layout import CachedFile, source_of

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
RETRY_AFTER_S = 30


def remedy(file: CachedFile, pipeline: str) -> str:
    """Where the file was looked for, where it comes from and how it gets there without us."""
    digest = f" (sha256 {file.sha256})" if file.sha256 else ""
    return (
        f"It was looked for at {file.path} and comes from {source_of(file.artifact)}{digest}. "
        f"Run 'lightmill models fetch {pipeline}' when that can be reached, or place the file "
        "there by hand."
    )


def unreachable(file: CachedFile, why: str) -> ArtifactUnreachable:
    return ArtifactUnreachable(f"{file.name} could not be fetched: {why}", RETRY_AFTER_S)


def corrupt(file: CachedFile, why: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(f"{file.name} is not the file that was declared: {why}")


def cache_fault(error: OSError, file: CachedFile, root: Path) -> ArtifactError:
    """Tell a full disk from a cache that cannot be written."""
    if error.errno in FULL:
        return full(file, root, f"the disk of {root} is full")
    why = error.strerror or str(error)
    return CacheUnwritable(
        f"{file.name} could not be stored: {error.filename or root}: {why}. "
        "Make it writable or set artifacts.dir to another directory."
    )


def full(file: CachedFile, root: Path, why: str) -> CacheFull:
    return CacheFull(
        f"{file.name} could not be stored: {why}. "
        "Make room there or set artifacts.dir to another disk."
    )


def with_remedy(error: ArtifactError, file: CachedFile, pipeline: str) -> ArtifactError:
    """The same error whose message also says where the file belongs."""
    message = f"{error} {remedy(file, pipeline)}"
    if isinstance(error, ArtifactUnreachable):
        return ArtifactUnreachable(message, error.retry_after_s)
    return type(error)(message)
