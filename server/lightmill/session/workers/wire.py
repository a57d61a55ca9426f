"""What passes between the front process and a worker: frames of JSON, errors among them.

A frame is two big-endian 32-bit lengths, the JSON and a blob of bytes (a snapshot; else empty).
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lightmill.errors import FieldError, InvalidInput, LightmillError, Unavailable

HEADER = struct.Struct(">II")
MAX_FRAME_BYTES = 67_108_864
"""Far more than `server.max_body_bytes` or a snapshot; a longer one is a broken peer."""
INTERNAL = "internal"


class WireError(ValueError):
    """A frame that cannot be sent, or bytes that are none."""


class RemoteFault(Exception):
    """The other process failed in a way that only its log explains."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, and the bytes that JSON cannot carry."""

    message: dict[str, Any]
    blob: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """Raises `WireError` when the message is no JSON or too long."""
    try:
        text = json.dumps(frame.message).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"the message is not JSON: {error}") from error
    if len(text) + len(frame.blob) > MAX_FRAME_BYTES:
        raise WireError(f"the message is longer than {MAX_FRAME_BYTES} bytes")
    return HEADER.pack(len(text), len(frame.blob)) + text + frame.blob


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; ``None`` when the other process is gone, even in the middle of one.

    Raises:
        WireError: the bytes are no frame; nothing after them can be understood.

    """
    try:
        n_text, n_blob = HEADER.unpack(await reader.readexactly(HEADER.size))
        if n_text + n_blob > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {n_text + n_blob} bytes")
        text = await reader.readexactly(n_text)
        blob = await reader.readexactly(n_blob) if n_blob else b""
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        message: Any = json.loads(text)
    except ValueError as error:
        raise WireError("a frame without JSON") from error
    if not isinstance(message, dict):
        raise WireError("a frame without a JSON object")
    return Frame(message, blob)  # pyright: ignore[reportUnknownArgumentType]


def error_to_wire(error: LightmillError) -> dict[str, Any]:
    """The error as JSON: its class (by code), its message and what it carries besides."""
    wire: dict[str, Any] = {"code": error.code, "message": str(error)}
    if isinstance(error, InvalidInput):
        wire["fields"] = [field.to_json() for field in error.fields]
    if isinstance(error, Unavailable):
        wire["retry_after_s"] = error.retry_after_s
    return wire


def error_from_wire(wire: dict[str, Any]) -> Exception:
    """The same error again; `RemoteFault` for what is not in Lightmill's error tree."""
    kinds = {kind.code: kind for kind in _tree(LightmillError)}
    kind, message = kinds.get(wire["code"]), str(wire["message"])
    if kind is None:
        return RemoteFault(message)
    if issubclass(kind, InvalidInput):
        return kind(message, tuple(FieldError(**field) for field in wire["fields"]))
    if issubclass(kind, Unavailable):
        return kind(message, wire["retry_after_s"])
    return kind(message)


def _tree(root: type[LightmillError]) -> Iterator[type[LightmillError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _tree(kind)
