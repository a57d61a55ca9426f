"""Pictures that clients send inside a setting: ``data:`` URLs with a PNG or a JPEG."""

from __future__ import annotations

import base64
import binascii
import struct
from functools import lru_cache

import numpy as np

from lightmill.pipelines.opencv import Picture, cv2

MAX_URL_LENGTH = 131_072
"""Characters: 96 kB of picture. Settings travel whole with each state of the session."""
MAX_PIXELS = 1920 * 1080
"""What a picture may unpack to; checked before it is unpacked."""
PREFIXES = ("data:image/png;base64,", "data:image/jpeg;base64,")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8"
JPEG_WITHOUT_SIZE = {0xC4, 0xC8, 0xCC}
"""Markers between SOF0 and SOF15 that start no frame (ITU-T T.81 table B.1)."""


@lru_cache(maxsize=16)
def picture_of(url: str) -> Picture:
    """Unpack a ``data:`` URL into ``(H, W, 3)`` uint8 RGB, which nobody may write into.

    Raises:
        ValueError: it is no such URL, no PNG or JPEG, damaged, or larger than `MAX_PIXELS`.

    """
    content = _content(url)
    width, height = _size(content)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"the picture has {width}x{height} pixels; at most 1920x1080 are taken")
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("the picture is damaged and cannot be unpacked")
    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    rgb.setflags(write=False)
    return rgb


def _content(url: str) -> bytes:
    prefix = next((prefix for prefix in PREFIXES if url.startswith(prefix)), None)
    if prefix is None:
        raise ValueError(f"give a URL that starts with {' or '.join(PREFIXES)}")
    try:
        return base64.b64decode(url[len(prefix) :], validate=True)
    except binascii.Error as error:
        raise ValueError(f"the picture is no base64: {error}") from None


def _size(content: bytes) -> tuple[int, int]:
    """Width and height as the file's head says."""
    try:
        if content.startswith(PNG_SIGNATURE):
            width, height = struct.unpack(">II", content[16:24])
            return width, height
        if content.startswith(JPEG_SIGNATURE):
            return _jpeg_size(content)
    except struct.error:
        pass
    raise ValueError("the picture is neither PNG nor JPEG")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header (ITU-T T.81 B.2.2)."""
    at = 2
    while True:
        mark, marker, length = struct.unpack(">BBH", content[at : at + 4])
        if mark != 0xFF:
            raise struct.error("no marker where one must be")
        if 0xC0 <= marker <= 0xCF and marker not in JPEG_WITHOUT_SIZE:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
