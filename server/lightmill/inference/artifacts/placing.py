"""Putting bytes into the cache: beside the file first, and in its place when they are right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lightmill.inference.artifacts.faults import corrupt
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile, part_of

BLOCK_BYTES = 1 << 18
SLACK = 1.1
SLACK_BYTES = 1 << 20
"""Declared sizes may be rounded; what is longer than this was never meant."""


def place(file: CachedFile, read: Callable[[int], bytes], job: Job) -> None:
    """Write what ``read`` gives until it gives nothing; the file appears whole and right, or not.

    Raises:
        ArtifactCorrupt: its sha256 is another one, or it is far too long.
        OSError: it could not be read or written.

    """
    part = part_of(file.path)
    part.parent.mkdir(parents=True, exist_ok=True)
    digest, done = hashlib.sha256(), 0
    try:
        with part.open("wb") as out:
            while block := read(BLOCK_BYTES):
                digest.update(block)
                out.write(block)
                done += len(block)
                refuse_excess(file, done)
                job.report(file.name, done, file.size_bytes)
            sync(out.fileno())
        refuse_digest(file, digest.hexdigest())
        put(part, file.path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def refuse_excess(file: CachedFile, done_bytes: int) -> None:
    declared = file.artifact.size_bytes
    if done_bytes > declared * SLACK + SLACK_BYTES:
        raise corrupt(file, f"it is longer than the {declared} bytes that were declared")


def refuse_digest(file: CachedFile, found: str) -> None:
    if file.sha256 is not None and found != file.sha256.lower():
        raise corrupt(file, f"its sha256 is {found}, not {file.sha256}")


def sync(descriptor: int) -> None:
    """Make written bytes survive a loss of power; some filesystems report a full disk only here."""
    os.fsync(descriptor)


def put(part: Path, path: Path) -> None:
    """Rename a file that is whole, atomically and durably."""
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    except OSError:
        pass  # not every filesystem can; the rename stands all the same
    finally:
        os.close(folder)
