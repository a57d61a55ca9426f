"""Where a sink may send: addresses read strictly. Pure but for `Target.fresh` and `Target.tidy`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from lightmill.config import Config
from lightmill.errors import FieldError, InvalidInput
from lightmill.session.shelf import ID, Shelf

FORMATS: dict[str, Literal["mp4", "flv", "mpegts"]] = {
    "rtmp": "flv",
    "rtmps": "flv",
    "srt": "mpegts",
    "udp": "mpegts",
    "tcp": "mpegts",
}
SUFFIXES: dict[str, Literal["mp4", "flv", "mpegts"]] = {
    ".mp4": "mp4",
    ".flv": "flv",
    ".ts": "mpegts",
}
LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Target:
    """``shown`` is the address without what may be a secret: stream key, password, query."""

    url: str
    shown: str
    format: Literal["mp4", "flv", "mpegts"]
    sound: Literal["opus", "aac"]
    shelf: Shelf | None = None

    @property
    def local(self) -> bool:
        return self.shelf is not None

    def fresh(self) -> str:
        """What FFmpeg is to open: the URL, or a file that is made here, so that no other sink takes it.

        Raises:
            OSError: it cannot be made.

        """
        if self.shelf is None:
            return self.url
        stem, dot, suffix = self.url.rpartition(".")
        number, path = 1, self.shelf.directory / self.url
        while True:
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                number += 1
                path = self.shelf.directory / f"{stem}-{number}{dot}{suffix}"
            else:
                return str(path)

    def tidy(self, opened: str) -> None:
        """Remove the file that `fresh` made when nothing was written into it."""
        if self.local:
            with suppress(OSError):
                if not Path(opened).stat().st_size:
                    Path(opened).unlink()


def parse_target(url: str, sound: Literal["opus", "aac"] | None, config: Config) -> Target:
    """Read an address.

    Raises:
        InvalidInput: it is none, or ``sinks.schemes`` does not allow it.

    """
    if len(url) > LONGEST or not url.isprintable() or " " in url:
        raise _refused("url", f"an address has at most {LONGEST} characters and no spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused("url", f"the address cannot be read: {error}") from error
    allowed = config.sinks.schemes
    if parts.scheme not in allowed:
        schemes = ", ".join(allowed) or "none"
        raise _refused("url", f"{parts.scheme[:20]!r} is not allowed; sinks.schemes are {schemes}")
    if parts.scheme == "file":
        return _file(url.removeprefix("file:"), sound, config)
    if not host:
        raise _refused("url", f"name a host, as in {parts.scheme}://example.org/live/key")
    if parts.scheme in ("srt", "udp", "tcp") and port is None:
        raise _refused("url", f"name a port, as in {parts.scheme}://example.org:9000")
    container = FORMATS[parts.scheme]
    if container == "flv" and sound == "opus":
        raise _refused("audio", "RTMP takes aac only")
    place = host if port is None else f"{host}:{port}"
    application = parts.path.strip("/").split("/")
    path = f"/{application[0]}/…" if len(application) > 1 else ""
    return Target(url, f"{parts.scheme}://{place}{path}", container, sound or "aac")


def _file(name: str, sound: Literal["opus", "aac"] | None, config: Config) -> Target:
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix not in SUFFIXES or not ID.fullmatch(name):
        raise _refused(
            "url", "name a file in recording.dir, as in file:show.mp4 (or .ts, .flv), no folders"
        )
    container = SUFFIXES[suffix]
    if container == "flv" and sound == "opus":
        raise _refused("audio", "FLV takes aac only")
    default = config.recording.audio if container == "mp4" else "aac"
    return Target(name, f"file:{name}", container, sound or default, Shelf(config.recording))


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, (FieldError(field, message),))
