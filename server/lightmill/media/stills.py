"""Still pictures: JPEG and PNG snapshots, and the card that viewers see while there is no video."""

from __future__ import annotations

import fractions
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from lightmill.lettering import draw_text, text_size
from lightmill.media.colour import colour_of
from lightmill.media.planar import reference
from lightmill.media.scale import MIN_DIMENSION, Scaler

BACKGROUND = (17, 24, 33)
ACCENT = (94, 179, 166)
TITLE_COLOUR = (236, 241, 245)
TEXT_COLOUR = (154, 168, 180)
JPEG_QSCALE = 3
"""FFmpeg's quantiser for MJPEG: 2 is the best, 31 the worst."""


def encode_jpeg(frame: av.VideoFrame) -> bytes:
    """Encode one frame as JPEG (full-range BT.601, as JFIF says)."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height = frame.width, frame.height
    context.pix_fmt = "yuvj420p"
    context.time_base = fractions.Fraction(1, 30)
    context.qmin = context.qmax = JPEG_QSCALE
    picture = frame.reformat(format="yuvj420p")
    picture.pts = 0
    picture.time_base = context.time_base
    packets = cast("list[Any]", [*context.encode(picture), *context.encode(None)])
    return b"".join(bytes(packet) for packet in packets)


def encode_png(frame: av.VideoFrame) -> bytes:
    """Encode one frame as PNG, with the RGB that its colour tags stand for."""
    colour = colour_of(frame)
    picture = VideoReformatter().reformat(
        frame,
        format="rgb24",
        src_colorspace=Colorspace.ITU709 if colour.matrix == "bt709" else Colorspace.ITU601,
        src_color_range=colour.range,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    context = av.CodecContext.create("png", "w")
    context.width, context.height = picture.width, picture.height
    context.pix_fmt = "rgb24"
    context.time_base = fractions.Fraction(1, 30)
    packets = cast("list[Any]", [*context.encode(picture), *context.encode(None)])
    return b"".join(bytes(packet) for packet in packets)


def encode_small_jpeg(frame: av.VideoFrame, width: int) -> bytes:
    """Encode a copy that is at most ``width`` pixels wide, in the frame's shape."""
    width = max(MIN_DIMENSION, min(width, frame.width) & ~1)
    height = max(MIN_DIMENSION, round(frame.height * width / frame.width) & ~1)
    small = Scaler().scale(frame, width, height)
    return encode_jpeg(reference(small) if small is frame else small)


def waiting_card(
    width: int, height: int, title: str, lines: list[str], phase: float
) -> av.VideoFrame:
    """A calm card with centred text and a bar that swings with ``phase`` (seconds)."""
    width, height = max(width & ~1, 64), max(height & ~1, 64)
    picture = np.empty((height, width, 3), np.uint8)  # (H, W, 3)
    picture[:] = BACKGROUND
    scale = max(1, width // 260)
    texts = [
        (title, scale + 1, TITLE_COLOUR),
        *((line, scale, TEXT_COLOUR) for line in lines if line),
    ]
    y = height // 2 - sum(text_size(text, size)[1] + 6 * scale for text, size, _ in texts) // 2
    for text, size, colour in texts:
        fitted = _fit(text, size, width)
        text_width, text_height = text_size(fitted, size)
        draw_text(picture, fitted, (width - text_width) // 2, y, size, colour)
        y += text_height + 6 * scale
    bar = width // 8
    swing = 0.5 - 0.5 * np.cos(phase * np.pi / 1.5)
    x = int(width / 4 + swing * (width / 2 - bar))
    picture[y + 4 * scale : y + 6 * scale, x : x + bar] = ACCENT
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")


def _fit(text: str, scale: int, width: int) -> str:
    while len(text) > 4 and text_size(text, scale)[0] > width - 8:
        text = text[:-4] + "..."
    return text
