"""Opening what a source names, with FFmpeg held to what that kind of source may touch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import av
from av.container import InputContainer
from av.error import (
    DecoderNotFoundError,
    DemuxerNotFoundError,
    ExitError,
    FFmpegError,
    HTTPClientError,
    InvalidDataError,
    ProtocolNotFoundError,
)

from lightmill.errors import SourceRefused

DECODER_THREADS = 1
"""Frame threads add a frame of delay each, and the sessions share the cores already."""
ANALYSE_US = 1_000_000
"""Microseconds of stream that FFmpeg may read before the first picture."""
CAMERA_FORMAT = "video4linux2"
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,"
    "ivf,nut,h264,hevc,mjpeg,mpjpeg,yuv4mpegpipe"
)
"""Demuxers that open nothing else: no playlist, no ``concat``, no list of pictures."""


class SourceKind(StrEnum):
    """Where pictures come from; it decides what FFmpeg may open."""

    FILE = "file"
    CAMERA = "camera"
    HTTP = "http"
    """A file or a stream: it is paced by its timestamps."""
    STREAM = "stream"
    """Comes in real time by itself: RTSP, SRT, RTMP."""


PROTOCOLS = {
    SourceKind.FILE: "file",
    SourceKind.CAMERA: "file",
    SourceKind.HTTP: "http,https,httpproxy,tcp,tls,crypto",
    SourceKind.STREAM: "rtsp,rtp,rtcp,srtp,udp,tcp,tls,http,https,srt,rtmp,rtmps,rtmpt,rtmpts,crypto",
}
"""Without ``file`` no playlist from the network reads this machine's disk."""


@dataclass(frozen=True, slots=True)
class InputLimits:
    """What opening and reading may take."""

    open_timeout_s: float
    read_timeout_s: float
    max_pixels: int


def open_input(
    address: str, kind: SourceKind, limits: InputLimits, *, transport: str
) -> InputContainer:
    """Open it and read what its streams are; the caller closes it.

    Raises:
        SourceRefused: it has no video, too large a picture, or needs what this FFmpeg lacks.
        FFmpegError: it cannot be reached or understood.

    """
    options = {
        "protocol_whitelist": PROTOCOLS[kind],
        "max_pixels": str(limits.max_pixels),
        "threads": str(DECODER_THREADS),
    }
    if kind is SourceKind.CAMERA:
        container = _open(address, limits, options, CAMERA_FORMAT)
    elif kind is SourceKind.FILE:
        # A name such as "concat:x" is a path here, never a protocol.
        options["format_whitelist"] = FORMATS
        container = _open(f"file:{address}", limits, options)
    else:
        options["format_whitelist"] = f"{FORMATS},hls,rtsp,rtp"
        options["analyzeduration"] = str(ANALYSE_US)
        if address.startswith("rtsp"):
            options["rtsp_transport"] = transport
        container = _open(address, limits, options)
    try:
        _check_picture(container, limits.max_pixels)
    except BaseException:
        container.close()
        raise
    return container


def _open(
    address: str, limits: InputLimits, options: dict[str, str], name: str | None = None
) -> InputContainer:
    timeout: Any = (limits.open_timeout_s, limits.read_timeout_s)
    try:
        opened = av.open(address, format=name, options=options, timeout=timeout)
    except ProtocolNotFoundError as error:
        scheme = address.partition(":")[0]
        raise SourceRefused(f"the FFmpeg of this installation has no {scheme}") from error
    return opened


def _check_picture(container: InputContainer, max_pixels: int) -> None:
    if not container.streams.video:
        raise SourceRefused("it has no video")
    codec = cast("Any", container.streams.video[0].codec_context)
    if codec is None:
        raise SourceRefused("no decoder for its video here")
    if codec.width * codec.height > max_pixels:
        raise SourceRefused(
            f"its picture has {codec.width}x{codec.height}, more than media.max_picture_pixels"
        )
    codec.thread_count = DECODER_THREADS
    codec.options = {"max_pixels": str(max_pixels)}


def explain(error: Exception) -> str:
    """What went wrong, without the address, which may hold a password."""
    if isinstance(error, ExitError):
        return "it does not answer in time"
    if isinstance(error, InvalidDataError | DemuxerNotFoundError):
        return "what it sends is no video that FFmpeg understands"
    if isinstance(error, DecoderNotFoundError):
        return "no decoder for its video here"
    if isinstance(error, HTTPClientError):
        return f"the server refuses it ({(error.strerror or '').lower() or type(error).__name__})"
    if isinstance(error, FFmpegError | OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return type(error).__name__
