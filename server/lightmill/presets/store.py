"""Saved presets: one JSON file each. The files are the truth, nothing is remembered."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from lightmill.config import PresetsConfig
from lightmill.errors import (
    FieldError,
    InvalidInput,
    LimitReached,
    PresetExists,
    PresetNotFound,
    Unavailable,
)
from lightmill.presets.document import encode_preset, parse_preset
from lightmill.presets.names import checked_preset_name, is_name

SUFFIX = ".json"
UNFINISHED = ".unfinished-"


def presets_dir(config: PresetsConfig, environ: Mapping[str, str] | None = None) -> Path:
    """The configured folder; by default one below the user's data (XDG Base Directory, 0.8)."""
    if config.dir:
        return Path(config.dir).expanduser()
    home = (os.environ if environ is None else environ).get("XDG_DATA_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local/share"
    return base / "lightmill/presets"


class PresetStore:
    """The folder. Methods block on the disk; threads and other processes may use it at once.

    A file is either whole or not there: it is written under another name and then moved.
    """

    def __init__(self, config: PresetsConfig) -> None:
        self.folder = presets_dir(config)
        self._config = config
        self._writing = Lock()

    def names(self) -> list[str]:
        """What is saved, sorted; other files are passed over. Raises `Unavailable`."""
        try:
            found = [path.stem for path in self.folder.iterdir() if path.suffix == SUFFIX]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._trouble("read", self.folder, error) from error
        return sorted(name for name in found if is_name(name))

    def load(self, name: str) -> dict[str, Any]:
        """Read one; its name is the file's, whatever stands inside.

        Raises:
            PresetNotFound: there is no such file.
            InvalidInput: the name or the file's content cannot be used.
            Unavailable: the file cannot be read.

        """
        name = checked_preset_name(name)
        document = read_preset_file(self._path(name), self._config.max_preset_bytes)
        return {**document, "name": name}

    def save(self, name: str, document: Mapping[str, Any], *, replace: bool = True) -> bool:
        """Write one under this name; returns whether it is new.

        Raises:
            PresetExists: it is there, and ``replace`` is false.
            InvalidInput: the name is refused, or the document is too long.
            LimitReached: ``presets.max_presets`` are there.
            Unavailable: the disk refuses.

        """
        name = checked_preset_name(name)
        content = encode_preset({**document, "name": name})
        if len(content) > self._config.max_preset_bytes:
            message = f"has {len(content)} bytes; presets.max_preset_bytes allows {self._config.max_preset_bytes}"
            raise InvalidInput(f"the preset {message}", (FieldError("preset", message),))
        with self._writing:
            new = not self._path(name).exists()
            if not new and not replace:
                raise PresetExists(f"a preset {name!r} is there; choose another name or replace it")
            if new and len(self.names()) >= self._config.max_presets:
                raise LimitReached(
                    f"{self._config.max_presets} presets are saved, the most that "
                    "presets.max_presets allows; remove one first"
                )
            self._write(self._path(name), content)
        return new

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=UNFINISHED, dir=self.folder)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            raise self._trouble("write", path, error) from error

    def remove(self, name: str) -> None:
        """Delete one. Raises `PresetNotFound` or `Unavailable`."""
        path = self._path(checked_preset_name(name))
        try:
            path.unlink()
        except FileNotFoundError:
            raise _missing(name) from None
        except OSError as error:
            raise self._trouble("remove", path, error) from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _trouble(self, what: str, path: Path, error: OSError) -> Unavailable:
        return Unavailable(f"cannot {what} {path}: {error.strerror}; see presets.dir")


def read_preset_file(path: Path, max_bytes: int) -> dict[str, Any]:
    """Read any preset's file.

    Raises:
        PresetNotFound: there is none.
        InvalidInput: it is no preset, or longer than ``max_bytes``.
        Unavailable: it cannot be read.

    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise _missing(path.stem) from None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    if len(content) > max_bytes:
        message = f"{path.name} has more than {max_bytes} bytes; see presets.max_preset_bytes"
        raise InvalidInput(message, (FieldError("preset", message),))
    return parse_preset(content)


def _missing(name: str) -> PresetNotFound:
    return PresetNotFound(f"no preset {name!r}; GET /presets and `lightmill presets` list them")
