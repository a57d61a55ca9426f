"""Pictures inside settings."""

from __future__ import annotations

import base64
import struct
import zlib

import cv2
import numpy as np
import pytest

from lightmill.pipelines.neural.images import PREFIXES, picture_of


def url(content, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def encoded(suffix, height=30, width=50):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = 255  # red, as OpenCV has it
    return cv2.imencode(suffix, picture)[1].tobytes()


def png_head(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "png"), (".jpg", "jpeg")])
def test_png_and_jpeg_unpack_to_rgb(suffix, kind):
    picture = picture_of(url(encoded(suffix), kind))
    assert picture.shape == (30, 50, 3)
    assert np.abs(picture.astype(int) - [255, 0, 0]).max() <= 3
    assert not picture.flags.writeable


def test_progressive_jpegs_have_a_size_too():
    content = cv2.imencode(
        ".jpg", np.zeros((33, 21, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    )[1].tobytes()
    assert picture_of(url(content, "jpeg")).shape == (33, 21, 3)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://example.org/a.png", PREFIXES[0]),
        ("data:image/svg+xml;base64,AAAA", PREFIXES[1]),
        (PREFIXES[0] + "AAA", "no base64"),
        (url(b""), "neither"),
        (url(b"\x89PNG\r\n\x1a\n"), "neither"),
        (url(b"\xff\xd8\xff"), "neither"),
        (url(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 9), "neither"),
        (url(png_head(60_000, 60_000)), "60000x60000"),
        (url(png_head(0, 5)), "0x5"),
        (url(png_head(50, 30)), "damaged"),
    ],
)
def test_everything_else_is_refused_with_the_reason(given, why):
    with pytest.raises(ValueError, match=why):
        picture_of(given)


def test_a_cut_file_is_refused_or_unpacks_whole():
    content = encoded(".jpg")
    for length in range(0, len(content), 7):
        try:
            assert picture_of(url(content[:length], "jpeg")).shape == (30, 50, 3)
        except ValueError:
            continue
