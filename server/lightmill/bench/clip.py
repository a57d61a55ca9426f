"""The clip that every publisher loops: textured, moving, noisy, numbered, encoded once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from lightmill.bench.numbers import draw_number

CELL = 8
"""Pixels of one texture cell."""
SWING = 64
"""Pixels that the picture moves to each side; one circle a clip, so that the loop has no jump."""
NOISE = 5
"""Luma that the noise adds or takes at most, as a small sensor does."""
N_NOISES = 8
BUFFER_S = 0.5
"""Seconds of rate that one keyframe may take (the encoder's VBV buffer)."""
KEYFRAME_PERCENT = 500
"""Most bits of a VP8 keyframe in percent of an average frame; libvpx knows no limit otherwise."""


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """One encoded picture: H.264 as Annex B, or one VP8 frame."""

    data: bytes
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Clip:
    """``frames[n]`` shows the number n; ``frames[0]`` and one each ``keyframe_s`` are keyframes."""

    codec: str
    width: int
    height: int
    fps: float
    frames: list[ClipFrame]

    @property
    def bitrate_bps(self) -> float:
        return sum(len(frame.data) for frame in self.frames) * 8 * self.fps / len(self.frames)


def pictures(width: int, height: int, n_frames: int) -> Iterator[av.VideoFrame]:
    """The clip's pictures as yuv420p, numbered from 0; the same for every call."""
    random = np.random.default_rng(1)
    shape = (height + 2 * SWING, width + 2 * SWING)
    luma = _texture(random, shape, 40, 200)
    chroma = [_texture(random, (shape[0] // 2, shape[1] // 2), 96, 160) for _ in range(2)]
    noises = [random.integers(-NOISE, NOISE + 1, (height, width), np.int8) for _ in range(N_NOISES)]
    for number in range(n_frames):
        angle = 2 * math.pi * number / n_frames
        x, y = (SWING + round(SWING * turn(angle)) & ~1 for turn in (math.cos, math.sin))
        noise = noises[int(random.integers(N_NOISES))]
        picture = (luma[y : y + height, x : x + width] + noise).astype(np.uint8)
        draw_number(picture, number)
        planes = [picture.reshape(-1)]
        for plane in chroma:
            part = plane[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
            planes.append(part.reshape(-1))
        i420 = np.concatenate(planes).reshape(height * 3 // 2, width)
        yield av.VideoFrame.from_ndarray(i420, format="yuv420p")


def encode_clip(
    codec: str, width: int, height: int, fps: float, bitrate_bps: int, seconds: float, key_s: float
) -> Clip:
    """Encode ``seconds`` of `pictures` with a keyframe each ``key_s``; takes about as long."""
    context = open_encoder(codec, width, height, fps, bitrate_bps, preset="veryfast")
    n_frames, interval = round(seconds * fps), max(1, round(key_s * fps))
    frames: list[ClipFrame] = []
    for number, picture in enumerate(pictures(width, height, n_frames)):
        picture.pts, picture.time_base = number, context.time_base
        picture.pict_type = PictureType.NONE if number % interval else PictureType.I
        packets = cast("list[Any]", context.encode(picture))  # Any: PyAV leaves them generic
        data = b"".join(bytes(packet) for packet in packets)
        frames.append(ClipFrame(data, any(packet.is_keyframe for packet in packets)))
    return Clip(codec, width, height, fps, frames)


def open_encoder(
    codec: str, width: int, height: int, fps: float, bitrate_bps: int, preset: str
) -> VideoCodecContext:
    """A one-threaded encoder that holds nothing back and makes a keyframe only when asked."""
    context = av.CodecContext.create("libx264" if codec == "H264" else "libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate = Fraction(round(fps * 1000), 1000)
    context.time_base = 1 / context.framerate
    context.bit_rate, context.gop_size, context.thread_count = bitrate_bps, 1 << 20, 1
    context.options = {"maxrate": str(bitrate_bps), "bufsize": str(round(bitrate_bps * BUFFER_S))}
    if codec == "H264":
        context.profile = "Constrained Baseline"
        context.options |= {"preset": preset, "tune": "zerolatency", "forced-idr": "1"}
        context.options |= {"sc_threshold": "0"}
    else:
        context.options |= {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0"}
        context.options["max-intra-rate"] = str(KEYFRAME_PERCENT)
    return context


def _texture(
    random: np.random.Generator, shape: tuple[int, int], low: int, high: int
) -> NDArray[np.uint8]:
    """(H, W) cells of random brightness."""
    cells = random.integers(low, high, (shape[0] // CELL + 1, shape[1] // CELL + 1), np.uint8)
    return cells.repeat(CELL, 0).repeat(CELL, 1)[: shape[0], : shape[1]]
