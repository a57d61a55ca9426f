"""Which files of the cache are known to be right.

A file counts once its sha256 was compared; a record beside it (``.NAME.verified``) keeps that in
mind with the file's size and time of change, so that a start need not read gigabytes again. A file
that changed, or that a person placed by hand, is compared anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from lightmill.inference.artifacts.layout import (
    CachedFile,
    library_folder_of,
    part_of,
    validator_of,
)

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20

Fingerprint = tuple[str | None, int, int]
"""The sha256 (``None`` where none was declared), the size in bytes and the mtime in ns."""


class Ledger:
    """Blocking; may be used from several threads. Where no record can be written, memory serves."""

    def __init__(self) -> None:
        self._known: dict[Path, Fingerprint] = {}

    def knows(self, file: CachedFile) -> bool:
        """Whether the file was verified and has not changed since; reads no content."""
        found = _fingerprint(file)
        if found is None:
            return False
        if self._known.get(file.path) != found:
            if _read_record(file.path) != found:
                return False
            self._known[file.path] = found
        return True

    def verify(self, file: CachedFile, check: Callable[[], None]) -> str | None:
        """Compare a file that is there; remember it when it is right.

        ``check`` is called between blocks and may raise to stop. Returns ``None`` when the file is
        right, else what is wrong with it.

        Raises:
            OSError: it cannot be read.

        """
        before = _fingerprint(file)
        if before is None:
            return "it is not there"
        if file.sha256 is not None:
            found = _hash(file.path, check)
            if found != file.sha256.lower():
                return f"its sha256 is {found}, not {file.sha256}"
        if _fingerprint(file) != before:
            return "it is still being written"
        self._known[file.path] = before
        _write_record(file.path, before)
        return None

    def accept(self, file: CachedFile) -> None:
        """Remember a file that was verified while it was written."""
        found = _fingerprint(file)
        if found is not None:
            self._known[file.path] = found
            _write_record(file.path, found)

    def remove(self, file: CachedFile) -> None:
        """Delete the file, its record and what there is of it. Raises `OSError`."""
        self._known.pop(file.path, None)
        parts = (part_of(file.path), validator_of(file.path))
        for path in (_record(file.path), *parts, file.path):
            path.unlink(missing_ok=True)
        library = library_folder_of(file)
        if library is not None and library.is_dir():
            shutil.rmtree(library)

    def state(self, file: CachedFile) -> str:
        """``present``, ``unchecked`` (there, not compared yet), ``partial`` or ``missing``."""
        if self.knows(file):
            return "present"
        if os.path.isfile(file.path):  # `Path.is_file` raises where a folder may not be looked into
            return "unchecked"
        library = library_folder_of(file)
        begun = library is not None and next(library.rglob("*.incomplete"), None) is not None
        return "partial" if begun or os.path.isfile(part_of(file.path)) else "missing"


def _hash(path: Path, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            check()
            digest.update(block)
    return digest.hexdigest()


def _fingerprint(file: CachedFile) -> Fingerprint | None:
    try:
        found = file.path.stat()
    except OSError:
        return None
    return (file.sha256, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _record(path: Path) -> Path:
    return path.with_name(f".{path.name}.verified")


def _read_record(path: Path) -> Fingerprint | None:
    try:
        record = json.loads(_record(path).read_text())
        return (record["sha256"], record["size_bytes"], record["mtime_ns"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_record(path: Path, found: Fingerprint) -> None:
    """Keep the record whole or not at all; a read-only cache does without."""
    digest, size_bytes, mtime_ns = found
    text = json.dumps({"sha256": digest, "size_bytes": size_bytes, "mtime_ns": mtime_ns})
    fresh = path.with_name(f".{path.name}.verified.{os.getpid()}")
    try:
        fresh.write_text(text)
        fresh.replace(_record(path))
    except OSError as error:
        logger.debug("%s: no record of its verification: %s", path, error)
        try:
            fresh.unlink(missing_ok=True)
        except OSError:
            logger.debug("%s stays behind", fresh)
