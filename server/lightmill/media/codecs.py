"""How each codec is opened for real time: no B-frame, no lookahead, no periodic keyframe."""

from __future__ import annotations

import fractions
import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from lightmill.media.colour import UNSPECIFIED_SPACE

logger = logging.getLogger(__name__)

TIME_BASE = fractions.Fraction(1, 90_000)
"""The RTP clock of video (RFC 3551 section 5)."""
ENDLESS_GOP = 1_000_000
"""Frames between periodic keyframes: none in practice; viewers ask for theirs."""
RATE_HEADROOM = 3
"""libx264 follows a new rate only in CBR and never above the one it was opened with."""
H264_BUFFER_FRAMES = 8
"""The rate buffer, in average frames, which bounds a keyframe. With a buffer of a second it took
10 of them where it takes 3 to 7 now, at the same quality (measured)."""
VP8_CPU_USED = -12
"""Fixed speed: 5 to 20 % less CPU than -8 for 0.1 dB; -16 was many times slower (measured)."""
VP8_BUFFER_S = 0.5
VP8_MAX_INTRA_PERCENT = 300
"""Largest keyframe in per cent of an average frame."""
VP8_DROP_THRESHOLD = 1
"""Buffer fill in per cent below which libvpx leaves frames out: only where its coarsest picture
is still too much, since at 30 it starts long before (measured)."""
TWO_THREADS_FROM = 1280 * 720 + 1
H264_LEVELS = ((108_000, "31"), (245_760, "40"), (589_824, "51"), (1_036_800, "52"))
"""Macroblocks a second and the level that allows them (ITU-T H.264 table A-1)."""
PROBE_SIZE = (640, 360)


@dataclass(frozen=True, slots=True)
class Opening:
    """What an encoder is opened for."""

    width: int
    height: int
    bitrate_bps: int
    fps: int
    space: int = UNSPECIFIED_SPACE
    """Matrix coefficients for the bit stream (ITU-T H.273)."""
    range: int = ColorRange.UNSPECIFIED


def open_x264(opening: Opening, preset: str) -> VideoCodecContext:
    """Open libx264 in constrained baseline; its rate may be set up to `RATE_HEADROOM` times the opening's."""
    context = _context("libx264", opening)
    ceiling_bps = RATE_HEADROOM * opening.bitrate_bps
    # Frame threads would add a frame of latency each, so large pictures are cut into slices.
    sliced = int(context.thread_count > 1)
    context.options = {
        "preset": preset,
        "tune": "zerolatency",
        "level": _level(opening),
        "forced-idr": "1",
        "maxrate": str(ceiling_bps),
        "bufsize": str(_h264_buffer_bits(opening)),
        "x264-params": f"repeat-headers=1:scenecut=0:vbv-init=0.5:sliced-threads={sliced}",
    }
    context.profile = "Baseline"
    context.bit_rate = ceiling_bps
    context.open()
    context.bit_rate = opening.bitrate_bps
    return context


def open_nvenc(opening: Opening) -> VideoCodecContext:
    """Open the NVIDIA encoder. Raises `FFmpegError` where there is none, or it has no room."""
    context = _context("h264_nvenc", opening)
    context.gop_size = -1  # infinite
    context.options = {
        "preset": "p3",
        "tune": "ull",
        "profile": "baseline",
        "level": "auto",
        "rc": "cbr",
        "forced-idr": "1",
        "zerolatency": "1",
        "delay": "0",
        "surfaces": "4",
        "maxrate": str(opening.bitrate_bps),
        "bufsize": str(_h264_buffer_bits(opening)),
    }
    context.open()
    return context


def open_vp8(opening: Opening, cpu_used: int = VP8_CPU_USED) -> VideoCodecContext:
    """Open libvpx; it takes no other rate until it is opened anew."""
    context = _context("libvpx", opening)
    rate = str(opening.bitrate_bps)
    context.options = {
        "deadline": "realtime",
        "cpu-used": str(cpu_used),
        "lag-in-frames": "0",
        "error-resilient": "1",
        "static-thresh": "1",
        "max-intra-rate": str(VP8_MAX_INTRA_PERCENT),
        "drop-threshold": str(VP8_DROP_THRESHOLD),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "qmin": "2",
        "qmax": "56",
        "minrate": rate,
        "maxrate": rate,
        "bufsize": str(round(VP8_BUFFER_S * opening.bitrate_bps)),
    }
    context.open()
    return context


def _context(name: str, opening: Opening) -> VideoCodecContext:
    context = cast("VideoCodecContext", av.CodecContext.create(name, "w"))
    context.width, context.height = opening.width, opening.height
    context.pix_fmt = "yuv420p"
    context.time_base = TIME_BASE
    context.framerate = fractions.Fraction(opening.fps, 1)
    context.bit_rate = opening.bitrate_bps
    context.gop_size = ENDLESS_GOP
    context.max_b_frames = 0
    context.thread_count = 2 if opening.width * opening.height >= TWO_THREADS_FROM else 1
    context.colorspace, context.color_range = opening.space, opening.range
    return context


def _h264_buffer_bits(opening: Opening) -> int:
    return round(H264_BUFFER_FRAMES * opening.bitrate_bps / opening.fps)


def _level(opening: Opening) -> str:
    rate = -(-opening.width // 16) * -(-opening.height // 16) * opening.fps
    return next((name for most, name in H264_LEVELS if rate <= most), "52")


@cache
def nvenc_works() -> bool:
    """Whether this machine's NVIDIA encoder encodes a frame; tried once in a process' life."""
    try:
        context = open_nvenc(Opening(*PROBE_SIZE, 1_000_000, 30))
        frame = av.VideoFrame(*PROBE_SIZE, "yuv420p")
        frame.pts, frame.time_base, frame.pict_type = 0, TIME_BASE, PictureType.I
        works = bool(cast("list[Any]", context.encode(frame)))
    except (FFmpegError, ValueError) as error:
        logger.info("no NVENC here, libx264 encodes H.264: %s", error)
        return False
    logger.info("H.264 is encoded by NVENC" if works else "NVENC gave no packet; libx264 encodes")
    return works
