"""Video encoders tuned for real time: keyframes on demand only, never a B-frame."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from lightmill.errors import MediaError
from lightmill.media.codecs import (
    RATE_HEADROOM,
    TIME_BASE,
    Opening,
    nvenc_works,
    open_nvenc,
    open_vp8,
    open_x264,
)
from lightmill.media.colour import Colour, colour_of
from lightmill.media.planar import PLANAR_FORMATS, reference
from lightmill.media.presets import PRESETS, IdleCpu, PresetLadder

logger = logging.getLogger(__name__)

FIRST_FPS = 30
FPS_LIMITS = (5.0, 120.0)
FPS_SMOOTHING = 0.1
"""Weight of the newest interval in the measured frame rate."""
PAUSE_S = 0.5
"""A longer interval is a pause and says nothing about the frame rate."""
MIN_DIMENSION = 16
RETARGET_RATIO = 0.03
"""A smaller change of rate is not worth telling the codec."""
H264_REOPEN = (0.0, 1.6)
"""Above this multiple of the opening rate the rate buffer no longer fits: open anew. A fall waits for
the next keyframe: it comes with a full network, which has no room for one more."""
KEYFRAME_REOPEN = (0.8, 1.25)
"""A keyframe is due anyway, so opening anew is free beyond these."""
VP8_REOPEN = (0.85, 1.15)
REOPEN_DOWN_INTERVAL_S, REOPEN_UP_INTERVAL_S = 1.0, 2.0
"""Least seconds between openings: a rate that falls is urgent, one that grows is not."""


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
        *,
        h264_encoder: str = "auto",
        h264_preset: str = "auto",
        idle_share: Callable[[], float | None] | None = None,
    ) -> None:
        """Prepare an encoder; the codec is opened with the first frame.

        ``h264_encoder`` and ``h264_preset`` are the config's words. ``idle_share`` tells the idle
        share of the CPU and drives the preset ``auto``.
        """
        if codec not in ("H264", "VP8"):
            raise MediaError(f"no encoder for {codec!r}; use H264 or VP8")
        self.codec = codec
        self.bitrate_bps = bitrate_bps
        """Target, bits per second; may be set any time and counts from the next frame."""
        self._max_bitrate_bps = max(max_bitrate_bps or 0, bitrate_bps)
        self._clock = clock
        self._may_use_nvenc = codec == "H264" and h264_encoder != "libx264"
        self._nvenc = False
        self._ladder = PresetLadder() if h264_preset == "auto" else None
        self._preset = PRESETS[0] if h264_preset == "auto" else h264_preset
        self._idle_share = idle_share or IdleCpu().share
        self._cleaner = VideoReformatter()
        self._context: VideoCodecContext | None = None
        self._opening: Opening | None = None
        self._opened_preset = self._preset
        self._opened_at = 0.0
        self._target_bps = 0.0
        self._interval_s = 1 / FIRST_FPS
        self._last_pts: int | None = None
        self._keyframe_owed = False

    @property
    def implementation(self) -> str:
        """What encodes since the last opening: ``libx264 ultrafast``, ``h264_nvenc``, ``libvpx``."""
        if self.codec == "VP8":
            return "libvpx"
        return "h264_nvenc" if self._nvenc else f"libx264 {self._preset}"

    def encode(self, frame: av.VideoFrame, *, keyframe: bool, pts_90k: int) -> list[EncodedPacket]:
        """Encode ``frame`` (any format, at least 16x16; odd sizes lose a row or column).

        The frame is only read: another encoder may have it at the same time. VP8 may leave out
        a frame that the rate has no room for; a keyframe that was left out comes with the next.

        Raises:
            MediaError: the picture is too small or the codec refuses it.

        """
        picture = self._encodable(frame)
        self._measure_interval(pts_90k)
        keyframe = keyframe or self._keyframe_owed
        picture.pts, picture.time_base = pts_90k, TIME_BASE
        picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        try:
            context = self._fitting_context(picture, keyframe=keyframe)
            started = self._clock()
            packets = cast("list[Any]", context.encode(picture))
        except FFmpegError as error:
            raise MediaError(f"{self.codec} encoder refused a frame: {error}") from error
        self._choose_preset(started, self._clock())
        self._keyframe_owed = keyframe and not packets
        return [
            EncodedPacket(bytes(packet), int(packet.pts or 0), packet.is_keyframe, self.codec)
            for packet in packets
        ]

    def _encodable(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A yuv420p frame of even size with stamps of its own, without a copy where that goes."""
        if min(frame.width, frame.height) < MIN_DIMENSION:
            size = f"{frame.width}x{frame.height}"
            raise MediaError(f"a picture of {size} cannot be encoded; the least is 16x16")
        if frame.format.name not in PLANAR_FORMATS:
            frame = self._cleaner.reformat(frame, format="yuv420p", threads=1)
        picture = reference(frame)
        if self.codec == "VP8" and colour_of(picture) != Colour():
            # A VP8 stream cannot say that it is anything but BT.601 in limited range.
            return self._cleaner.reformat(
                picture,
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        return picture

    def _measure_interval(self, pts_90k: int) -> None:
        last, self._last_pts = self._last_pts, pts_90k
        if last is None:
            return
        seen = (pts_90k - last) * float(TIME_BASE)
        if 0 < seen < PAUSE_S:
            self._interval_s += FPS_SMOOTHING * (seen - self._interval_s)

    def _choose_preset(self, started: float, now: float) -> None:
        if self._ladder is None or self.codec != "H264" or self._nvenc:
            return
        idle = self._idle_share()
        self._preset = self._ladder.observe(now - started, self._interval_s, idle, now)

    def _fitting_context(self, picture: av.VideoFrame, *, keyframe: bool) -> VideoCodecContext:
        """The open codec, brought to the wanted rate, or a new one that begins with a keyframe."""
        context, opening = self._context, self._opening
        bitrate_bps = min(self.bitrate_bps, self._max_bitrate_bps)
        if context is not None and opening is not None and self._suits(opening, picture):
            target_bps = self._codec_rate(bitrate_bps, opening)
            if not self._worth_reopening(target_bps / opening.bitrate_bps, keyframe=keyframe):
                self._retarget(context, opening, target_bps)
                return context
        low, high = FPS_LIMITS
        fps = round(min(high, max(low, 1 / self._interval_s)))
        self._opening = opening = Opening(
            picture.width,
            picture.height,
            bitrate_bps,
            fps,
            picture.colorspace,
            picture.color_range,
        )
        self._context = context = self._open(opening)
        self._target_bps, self._opened_at = bitrate_bps, self._clock()
        return context

    def _suits(self, opening: Opening, picture: av.VideoFrame) -> bool:
        return (
            (opening.width, opening.height) == (picture.width, picture.height)
            and (opening.space, opening.range) == (picture.colorspace, picture.color_range)
            and self._opened_preset == self._preset
        )

    def _codec_rate(self, bitrate_bps: int, opening: Opening) -> float:
        """The rate to tell the codec; H.264 encoders count frames, not time."""
        if self.codec == "VP8":
            return bitrate_bps
        return bitrate_bps * opening.fps * min(self._interval_s, 1 / FPS_LIMITS[0])

    def _worth_reopening(self, ratio: float, *, keyframe: bool) -> bool:
        low, high = VP8_REOPEN if self.codec == "VP8" else H264_REOPEN
        if keyframe:
            low, high = KEYFRAME_REOPEN
        waited_s = self._clock() - self._opened_at
        if ratio < low:
            return keyframe or waited_s >= REOPEN_DOWN_INTERVAL_S
        return ratio > high and (keyframe or waited_s >= REOPEN_UP_INTERVAL_S)

    def _retarget(self, context: VideoCodecContext, opening: Opening, target_bps: float) -> None:
        """Change the rate of an open encoder; libvpx ignores it until it is opened anew."""
        target_bps = min(target_bps, RATE_HEADROOM * opening.bitrate_bps)
        if abs(target_bps - self._target_bps) > RETARGET_RATIO * self._target_bps:
            context.bit_rate = round(target_bps)
            self._target_bps = target_bps

    def _open(self, opening: Opening) -> VideoCodecContext:
        if self.codec == "VP8":
            return open_vp8(opening)
        self._opened_preset = self._preset
        # Asked here, in the encoder's thread: the first time, the probe wakes the GPU.
        self._nvenc = self._may_use_nvenc and nvenc_works()
        if self._nvenc:
            try:
                return open_nvenc(opening)
            except FFmpegError as error:
                # Cards limit sizes and sessions; the CPU takes over what they refuse.
                size = f"{opening.width}x{opening.height}"
                logger.warning("NVENC refused %s, libx264 takes over: %s", size, error)
                self._may_use_nvenc = self._nvenc = False
        return open_x264(opening, self._preset)

    def close(self) -> None:
        """Free the codec; the next `encode` opens it anew with a keyframe."""
        self._context = self._opening = None
