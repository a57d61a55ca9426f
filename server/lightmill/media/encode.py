"""Video encoders tuned for real time: keyframes on demand only, never a B-frame."""

from __future__ import annotations

import fractions
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from lightmill.errors import MediaError

TIME_BASE = fractions.Fraction(1, 90_000)
"""The RTP clock of video (RFC 3551 section 5)."""
NOMINAL_FPS = 30
ENDLESS_GOP = 1_000_000
"""Frames between periodic keyframes: none in practice; viewers ask for theirs."""
MIN_DIMENSION = 16
REOPEN_RATIO = 0.15
"""libvpx takes no new bit rate while open; smaller changes than this are not worth a keyframe."""
REOPEN_INTERVAL_S = 1.0
H264_LEVELS = ((108_000, "31"), (245_760, "40"), (589_824, "51"), (1_036_800, "52"))
"""Macroblocks a second and the level that allows them (ITU-T H.264 table A-1)."""


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One encoded picture; H.264 as Annex B with SPS and PPS before each IDR."""

    data: bytes
    pts_90k: int
    keyframe: bool
    codec: str


class VideoEncoder:
    """Encodes one stream as ``H264`` or ``VP8``; not safe for use from two threads at once."""

    def __init__(
        self,
        codec: str,
        bitrate_bps: int,
        max_bitrate_bps: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if codec not in ("H264", "VP8"):
            raise MediaError(f"no encoder for {codec!r}; use H264 or VP8")
        self.codec = codec
        self.bitrate_bps = bitrate_bps
        """Target, bits per second; may be set any time and counts from the next frame."""
        self._max_bitrate_bps = max(max_bitrate_bps or 0, bitrate_bps)
        self._clock = clock
        self._context: VideoCodecContext | None = None
        self._opened_bps = 0
        self._opened_at = 0.0

    def encode(self, frame: av.VideoFrame, *, keyframe: bool, pts_90k: int) -> list[EncodedPacket]:
        """Encode ``frame`` (any format, at least 16x16; odd sizes lose a row or column).

        Raises:
            MediaError: the picture is too small or the codec refuses it.

        """
        picture = _encodable(frame)
        picture.pts = pts_90k
        picture.time_base = TIME_BASE
        picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        try:
            context = self._fitting_context(picture.width, picture.height)
            packets = cast("list[Any]", context.encode(picture))
        except FFmpegError as error:
            raise MediaError(f"{self.codec} encoder refused a frame: {error}") from error
        return [
            EncodedPacket(bytes(packet), int(packet.pts or 0), packet.is_keyframe, self.codec)
            for packet in packets
        ]

    def _fitting_context(self, width: int, height: int) -> VideoCodecContext:
        context = self._context
        if context is not None and (context.width, context.height) == (width, height):
            if self.bitrate_bps == self._opened_bps or self._retarget(context):
                return context
        self._context = context = self._open(width, height)
        return context

    def _retarget(self, context: VideoCodecContext) -> bool:
        """Change the rate of an open encoder; ``False`` when it must be opened anew."""
        if self.codec == "H264":
            context.bit_rate = self.bitrate_bps
            self._opened_bps = self.bitrate_bps
            return True
        change = abs(self.bitrate_bps - self._opened_bps) / self._opened_bps
        return change < REOPEN_RATIO or self._clock() - self._opened_at < REOPEN_INTERVAL_S

    def _open(self, width: int, height: int) -> VideoCodecContext:
        name = "libx264" if self.codec == "H264" else "libvpx"
        context = av.CodecContext.create(name, "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = TIME_BASE
        context.framerate = fractions.Fraction(NOMINAL_FPS, 1)
        context.bit_rate = self.bitrate_bps
        context.gop_size = ENDLESS_GOP
        context.thread_count = 1 if width * height <= 1280 * 720 else 2
        context.options = self._options(width, height)
        if self.codec == "H264":
            context.profile = "Baseline"
            context.max_b_frames = 0
        if self.codec == "H264":
            # libx264 follows a new rate only in CBR, and never above the maximum it was opened
            # with: so open it at the maximum and turn it down before the first frame.
            context.bit_rate = self._max_bitrate_bps
            context.open()
            context.bit_rate = self.bitrate_bps
        self._opened_bps, self._opened_at = self.bitrate_bps, self._clock()
        return context

    def _options(self, width: int, height: int) -> dict[str, str]:
        if self.codec == "H264":
            rate = -(-width // 16) * -(-height // 16) * NOMINAL_FPS
            level = next((name for most, name in H264_LEVELS if rate <= most), "52")
            return {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "level": level,
                "forced-idr": "1",
                "maxrate": str(self._max_bitrate_bps),
                "bufsize": str(self.bitrate_bps),
                "x264-params": "repeat-headers=1:scenecut=0:sliced-threads=0",
            }
        return {
            "deadline": "realtime",
            "cpu-used": "-8",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "static-thresh": "1",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
            "qmin": "2",
            "qmax": "56",
            "minrate": str(self.bitrate_bps),
            "maxrate": str(self.bitrate_bps),
            "bufsize": str(self.bitrate_bps),
        }

    def close(self) -> None:
        """Free the codec; the next `encode` opens it anew with a keyframe."""
        self._context = None


def _encodable(frame: av.VideoFrame) -> av.VideoFrame:
    """A yuv420p frame of even size that the encoder may stamp; the caller's frame stays as it is."""
    width, height = frame.width & ~1, frame.height & ~1
    if width < MIN_DIMENSION or height < MIN_DIMENSION:
        size = f"{frame.width}x{frame.height}"
        raise MediaError(f"a picture of {size} cannot be encoded; the least is 16x16")
    if frame.format.name == "yuv420p" and (width, height) == (frame.width, frame.height):
        return frame
    if (width, height) == (frame.width, frame.height):
        return frame.reformat(format="yuv420p")
    rgb: Any = frame.to_ndarray(format="rgb24")
    cropped = av.VideoFrame.from_ndarray(rgb[:height, :width].copy(), format="rgb24")
    return cropped.reformat(format="yuv420p")
