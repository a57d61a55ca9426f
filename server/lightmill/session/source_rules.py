"""Which sources a caller may name: URL schemes, files of one folder, listed cameras."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from lightmill.config import SourcesConfig
from lightmill.errors import FieldError, InvalidInput
from lightmill.media.inputs import SourceKind
from lightmill.media.source import SourceSpec
from lightmill.session.host import SourceRequest

MAX_URL_CHARS = 2048
PACED_SCHEMES = frozenset({"http", "https"})
CAMERA_PREFIX = "/dev/video"


def source_spec(request: SourceRequest, config: SourcesConfig) -> SourceSpec:
    """Check a wish; ``request.trusted`` (the operator's own) may name any file and any camera.

    Raises:
        InvalidInput: the URL is malformed, or the configuration does not allow it.

    """
    url = request.url
    if not url or len(url) > MAX_URL_CHARS or not url.isprintable():
        raise _refused(f"use a URL of 1 to {MAX_URL_CHARS} printable characters")
    scheme, colon, rest = url.partition(":")
    if url.startswith(CAMERA_PREFIX) or scheme == "v4l2":
        return _camera(url if not colon else rest, request, config)
    if "://" not in url and (scheme == "file" or not colon or Path(url).is_absolute()):
        return _file(rest if scheme == "file" and colon else url, request, config)
    if scheme == "file":
        return _file(_path_of(url), request, config)
    return _stream(url, scheme.lower(), request, config)


def _stream(url: str, scheme: str, request: SourceRequest, config: SourcesConfig) -> SourceSpec:
    if scheme not in config.schemes:
        allowed = ", ".join(config.schemes) or "none"
        raise _refused(
            f"{scheme[:20]!r} is not allowed; allowed are {allowed}: see sources.schemes"
        )
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named:
        raise _refused(f"name a host, as in {scheme}://camera.example/stream")
    kind = SourceKind.HTTP if scheme in PACED_SCHEMES else SourceKind.STREAM
    return SourceSpec(url, masked(url), kind, request.loop, config.rtsp_transport)


def _path_of(url: str) -> str:
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        raise _refused("name a file, as in file:///folder/clip.mp4") from None


def _file(path: str, request: SourceRequest, config: SourcesConfig) -> SourceSpec:
    try:
        found = _found(path, request, config)
        is_there = found.is_file()
    except (ValueError, OSError, RuntimeError):
        # Too long, with a NUL, a folder that may not be read, an unknown user's home.
        found, is_there = Path(), False
    if not is_there:
        raise _refused(
            f"there is no file {path[:200]!r}; check its name and the folder sources.dir"
        )
    shown = str(found) if request.trusted or config.dir is None else path.lstrip("/")
    return SourceSpec(str(found), shown, SourceKind.FILE, request.loop)


def _found(path: str, request: SourceRequest, config: SourcesConfig) -> Path:
    if request.trusted:
        return Path(path).expanduser().resolve()
    if config.dir is None:
        raise _refused("files of the server are not allowed; see sources.dir")
    root = config.dir.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise _refused("name a file inside the folder sources.dir")
    return found


def _camera(device: str, request: SourceRequest, config: SourcesConfig) -> SourceSpec:
    device = "/" + device.lstrip("/")
    if not request.trusted and device not in config.cameras:
        raise _refused(f"the camera {device[:40]} is not allowed; list it in sources.cameras")
    return SourceSpec(device, device, SourceKind.CAMERA, loop=False)


def masked(url: str) -> str:
    """The URL without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _refused(message: str) -> InvalidInput:
    return InvalidInput(f"url: {message}", (FieldError("url", message),))
