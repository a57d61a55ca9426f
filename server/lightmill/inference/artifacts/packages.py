"""What `WheelArtifact` and `NpmArtifact` share: one download, several members, nothing is run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightmill.errors import ArtifactCorrupt, ArtifactError
from lightmill.inference.artifacts.command import CommandFailed, run
from lightmill.inference.artifacts.faults import full, unreachable
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile, download_of, unfinished_of

LAST_WORDS = 300
"""Characters of a downloader's own message that an error quotes."""
NO_SPACE = re.compile(r"No space left on device|ENOSPC|Disk quota exceeded", re.I)


@contextmanager
def workplace(file: CachedFile, job: Job) -> Generator[Path]:
    """An empty folder in the cache for one package; it is gone afterwards, whatever happened."""
    folder = unfinished_of(job.root, download_of(file.artifact))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def download(
    arguments: Sequence[str],
    file: CachedFile,
    folder: Path,
    job: Job,
    watch: Callable[[str], None],
) -> None:
    """Run the downloader and explain its failure.

    Raises:
        ArtifactUnreachable: it found no such package, or nobody to ask.
        CacheFull: it had no room.

    """
    try:
        run(arguments, folder, job, watch)
    except FileNotFoundError as error:
        message = f"{arguments[0]} is not installed, and it is what fetches this package."
        raise unreachable(file, message) from error
    except CommandFailed as error:
        said = str(error)
        if NO_SPACE.search(said):
            raise full(file, job.root, f"the disk of {job.root} is full") from error
        raise unreachable(file, f"{_last(said)}.") from error


def _last(said: str) -> str:
    """The end of an output in one line, from its first error on."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if re.match(r"(ERROR|npm err)", line, re.I)), 0)
    return " ".join(lines[first:])[:LAST_WORDS].rstrip(".")


def collect(
    files: Sequence[CachedFile], take: Callable[[CachedFile], None]
) -> dict[Path, ArtifactError]:
    """``take`` every file; one that is not what was declared does not keep the others away."""
    failures: dict[Path, ArtifactError] = {}
    for file in files:
        try:
            take(file)
        except ArtifactCorrupt as error:
            failures[file.path] = error
    return failures
