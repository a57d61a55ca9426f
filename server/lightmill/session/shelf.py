"""The folder of recordings: names, sizes, room. Blocks; needs no codec."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightmill.config import RecordingConfig
from lightmill.errors import LimitReached, RecordingNotFound, Unavailable

SUFFIX = ".mp4"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Shelved:
    """One file; ``changed_at`` is a Unix time."""

    id: str
    path: Path
    size_bytes: int
    changed_at: float

    def to_json(self, *, recording: bool) -> dict[str, Any]:
        """An entry of ``GET /recordings``."""
        changed = datetime.fromtimestamp(self.changed_at, UTC)
        return {
            "id": self.id,
            "file": self.path.name,
            "state": "recording" if recording else "done",
            "size_bytes": self.size_bytes,
            "changed": changed.isoformat(timespec="seconds"),
        }


def new_id(session: str, now: datetime) -> str:
    """An id that sorts by time within its session and that no other process chooses too."""
    return f"{session}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def part_id(recording: str, part: int) -> str:
    """The id of the file of a part, counted from 1."""
    return recording if part == 1 else f"{recording}-{part}"


class Shelf:
    """All files of ``recording.dir``, whichever process writes them."""

    def __init__(self, config: RecordingConfig) -> None:
        self._config = config
        self.directory = config.directory

    def prepare(self) -> None:
        """Make the folder and see that there is room.

        Raises:
            Unavailable: it cannot be written.
            LimitReached: ``recording.max_bytes`` (of all files there) or ``recording.min_free_bytes`` is reached.

        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"recording.dir {self.directory} cannot be made: {error.strerror}"
            ) from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise Unavailable(f"recording.dir {self.directory} cannot be written")
        self.check_room()

    def check_room(self) -> None:
        """Raises `LimitReached` when there is no room for more, `Unavailable` without a folder."""
        total = sum(status.st_size for _, status in self._regular())
        if total >= self._config.max_bytes:
            raise LimitReached(
                f"all files of recording.dir have {total} bytes; delete some or raise recording.max_bytes"
            )
        try:
            free = shutil.disk_usage(self.directory).free
        except OSError as error:
            raise self._unreadable(error) from error
        if free <= self._config.min_free_bytes:
            raise LimitReached(
                f"the disk of recording.dir has {free} bytes left; make room or lower "
                "recording.min_free_bytes"
            )

    def path(self, recording: str) -> Path:
        return self.directory / f"{recording}{SUFFIX}"

    def list(self) -> list[Shelved]:
        """All recordings, the newest first. Raises `Unavailable`."""
        return sorted(self._files(), key=lambda one: one.changed_at, reverse=True)

    def _files(self) -> Iterator[Shelved]:
        for path, status in self._regular():
            name = path.name.removesuffix(SUFFIX)
            if name != path.name and ID.fullmatch(name):
                yield Shelved(name, path, status.st_size, status.st_mtime)

    def _regular(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every regular file of the folder, what sinks wrote among them."""
        try:
            entries = list(os.scandir(self.directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unreadable(error) from error
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield Path(entry.path), status

    def _unreadable(self, error: OSError) -> Unavailable:
        return Unavailable(f"recording.dir {self.directory} cannot be read: {error.strerror}")

    def find(self, recording: str) -> Shelved:
        """Look up by id. Raises `RecordingNotFound`."""
        if ID.fullmatch(recording):
            path = self.path(recording)
            try:
                status = path.lstat()
            except OSError:
                pass
            else:
                if stat.S_ISREG(status.st_mode):
                    return Shelved(recording, path, status.st_size, status.st_mtime)
        raise RecordingNotFound(
            f"no recording {recording[:80]!r}; GET /recordings lists those that are there"
        )

    def remove(self, recording: str) -> None:
        """Delete a recording for good. Raises `RecordingNotFound`."""
        self.find(recording).path.unlink(missing_ok=True)
