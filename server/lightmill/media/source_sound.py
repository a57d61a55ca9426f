"""A source's sound as Opus: passed on when it is Opus already, else decoded and encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from lightmill.errors import MediaError
from lightmill.media.opus import PACKET_S, Sound, SoundEncoder

SEAM_S = 0.1
"""Sound that begins this far from the end of the last one does not continue it."""


class SourceSound:
    """One audio stream; it belongs to the thread that reads the source."""

    def __init__(self, stream: av.AudioStream, bitrate_bps: int) -> None:
        codec: Any = stream.codec_context
        self._time_base = stream.time_base
        self._passes = codec is not None and codec.name in {"opus", "libopus"}
        self._decodes = codec is not None
        self._encoder = SoundEncoder(bitrate_bps)
        self._resampler: AudioResampler | None = None
        self._next_s: float | None = None

    def packets(self, packet: av.Packet[Any]) -> Iterator[tuple[bytes, float]]:
        """The Opus packets that ``packet`` completes, with the source's seconds; none when it is broken."""
        if self._passes:
            if packet.pts is not None and packet.size and self._time_base is not None:
                yield bytes(packet), float(packet.pts * self._time_base)
        elif self._decodes:
            try:
                for frame in cast("list[Any]", packet.decode()):
                    yield from self._encode(frame)
            except (FFmpegError, MediaError, ValueError):
                self.restart()

    def restart(self) -> None:
        """What comes next does not continue the last."""
        self._encoder.reset()
        self._resampler = None
        self._next_s = None

    def _encode(self, frame: av.AudioFrame) -> Iterator[tuple[bytes, float]]:
        if frame.pts is None or frame.time_base is None:
            return
        starts_s = float(frame.pts * frame.time_base)
        if self._next_s is None or abs(starts_s - self._next_s - self._encoder.waiting_s) > SEAM_S:
            self.restart()
            self._next_s = starts_s
        if self._resampler is None:
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._resampler = AudioResampler("fltp", layout, frame.sample_rate)
        for plain in self._resampler.resample(frame):
            samples = cast("Any", plain).to_ndarray()  # (channels, n) float32
            sound = Sound(np.asarray(samples, np.float32), plain.sample_rate)
            for payload in self._encoder.encode(sound):
                yield payload, self._next_s
                self._next_s += PACKET_S
