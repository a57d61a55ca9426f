"""A new file for a muxer: every byte is written at once, or the reason is raised."""

from __future__ import annotations

import io
import os
from pathlib import Path


class DiskFile:
    """Unbuffered, so that a killed process loses nothing; closed by its owner.

    An unbuffered file of Python's own writes what fits on a full disk and says so in a number that
    FFmpeg does not read.
    """

    def __init__(self, path: Path) -> None:
        """Make the file. Raises `OSError`, also when there is one."""
        self._file = io.FileIO(path, "x")

    def write(self, chunk: bytes) -> int:
        """Write all of it. Raises `OSError`."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._file.fileno(), rest) :]
        return len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def cut(self, size_bytes: int) -> None:
        """Take back what was written beyond."""
        self._file.seek(size_bytes)
        self._file.truncate()

    def close(self) -> None:
        """Idempotent."""
        self._file.close()
