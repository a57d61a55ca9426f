"""Containers around packets that are encoded already: MP4, FLV and MPEG-TS."""

from __future__ import annotations

import fractions
import io
from typing import Any, Literal, cast

import av
from av.audio.resampler import AudioResampler
from av.error import FFmpegError, ProtocolNotFoundError

from lightmill.errors import MediaError
from lightmill.media.audio import SAMPLE_RATE_HZ
from lightmill.media.disk_file import DiskFile
from lightmill.media.sound_grid import SILENCE

VIDEO_BASE = fractions.Fraction(1, 90_000)
SOUND_BASE = fractions.Fraction(1, SAMPLE_RATE_HZ)
# FFmpeg would hold pictures back until sound of their time has come, for up to ten seconds.
AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "1"}
OPTIONS = {
    # A fragment is written whole at each keyframe, and nothing that was written is touched again.
    "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", **AT_ONCE},
    "flv": {"flvflags": "no_duration_filesize", **AT_ONCE},
    "mpegts": AT_ONCE,
}
FIRST_OF_FFMPEG = 4096
"""Numbers from here on are FFmpeg's own, not the system's."""
LONGEST_STEP = 90_000 // 4
AAC_BITRATE_BPS = 128_000
AAC_FRAME_SAMPLES = 1024

Format = Literal["mp4", "flv", "mpegts"]
SoundCodec = Literal["opus", "aac"]


class Muxer:
    """Writes one H.264 stream as it is, and Opus as it is or as AAC, to a file or a URL.

    Opening blocks, writing too. Pictures and sounds are written as they come; each stream's times
    must grow.
    """

    def __init__(
        self, target: DiskFile | str, format_name: Format, sound: SoundCodec, keyframe: bytes
    ) -> None:
        """Write the header; ``keyframe`` (Annex B, with SPS and PPS) says what the pictures are.

        Raises:
            OSError: the target cannot be opened or written.
            MediaError: ``keyframe`` is none, or the container refuses the streams.

        """
        options = OPTIONS[format_name]
        try:
            out = cast(
                "Any", av.open(cast("Any", target), "w", format=format_name, options=options)
            )
            self._out = out
            with av.open(io.BytesIO(keyframe), format="h264") as probe:
                self._video = out.add_stream_from_template(probe.streams.video[0])
            self._video.time_base = VIDEO_BASE
            self._sound = out.add_stream("aac" if sound == "aac" else "libopus", SAMPLE_RATE_HZ)
            codec = self._sound.codec_context
            codec.format, codec.layout = ("fltp" if sound == "aac" else "s16"), "stereo"
            codec.bit_rate = AAC_BITRATE_BPS
            out.start_encoding()
        except (FFmpegError, ValueError) as error:
            raise _explained(error, format_name) from error
        self._transcoder = _AacEncoder(codec) if sound == "aac" else None
        self._last_pts = 0

    def picture(self, data: bytes, pts: int, *, keyframe: bool) -> None:
        """Write a picture at ``pts`` (1/90000 s). Raises `OSError` or `MediaError`."""
        packet = _packet(data, pts, VIDEO_BASE, self._video)
        packet.is_keyframe = keyframe
        # Only the last of a file counts; the others last until the next one.
        packet.duration = min(max(pts - self._last_pts, 0), LONGEST_STEP)
        self._last_pts = pts
        self._write(packet)

    def sound(self, payload: bytes, pts: int, ticks: int) -> None:
        """Write an Opus packet at ``pts``, ``ticks`` long (1/48000 s). Raises as `picture`."""
        if self._transcoder is not None:
            for packet in self._transcoder.encode(payload, pts):
                packet.stream = self._sound
                self._write(packet)
            return
        packet = _packet(payload, pts, SOUND_BASE, self._sound)
        packet.duration = ticks
        packet.is_keyframe = True
        self._write(packet)

    def _write(self, packet: Any) -> None:
        try:
            self._out.mux_one(packet)
        except FFmpegError as error:
            raise _explained(error, self._out.format.name) from error

    def close(self) -> None:
        """Write the end. Raises `OSError` or `MediaError`."""
        try:
            self._out.close()
        except FFmpegError as error:
            raise _explained(error, self._out.format.name) from error


class _AacEncoder:
    """Decodes Opus and encodes AAC; what is broken sounds like nothing."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._decoder = cast("Any", av.CodecContext.create("opus", "r"))
        self._decoder.sample_rate, self._decoder.layout = SAMPLE_RATE_HZ, "stereo"
        self._resampler = AudioResampler("fltp", "stereo", SAMPLE_RATE_HZ, AAC_FRAME_SAMPLES)

    def encode(self, payload: bytes, pts: int) -> list[Any]:
        return [
            encoded
            for frame in self._decode(payload, pts)
            for even in self._resampler.resample(frame)
            for encoded in self._encoder.encode(even)
            # The encoder's run-up lies before the beginning, where FLV takes nothing.
            if encoded.pts >= 0
        ]

    def _decode(self, payload: bytes, pts: int) -> list[Any]:
        """A publisher sends what it likes; no packet of its may end a file."""
        packet = av.Packet(payload)
        packet.pts, packet.time_base = pts, SOUND_BASE
        try:
            return self._decoder.decode(packet)
        except FFmpegError:
            return [] if payload == SILENCE else self._decode(SILENCE, pts)


def _packet(data: bytes, pts: int, time_base: fractions.Fraction, stream: Any) -> Any:
    packet = cast("Any", av.Packet(data))
    packet.pts = packet.dts = pts
    packet.time_base = time_base
    packet.stream = stream
    return packet


def _explained(error: FFmpegError | ValueError, format_name: str) -> Exception:
    """The system's own error where there is one; FFmpeg's text names the URL with its secrets."""
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, ProtocolNotFoundError):
        reason = "this FFmpeg was built without that protocol"
    elif isinstance(error, OSError) and error.errno and 0 < error.errno < FIRST_OF_FFMPEG:
        return OSError(error.errno, reason)
    return MediaError(f"{format_name}: {reason}")
