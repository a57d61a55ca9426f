"""Sound that a pipeline made, as Opus packets of 20 ms."""

from __future__ import annotations

import fractions
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

from lightmill.errors import MediaError
from lightmill.media.audio import PACKET_TICKS, SAMPLE_RATE_HZ

RATE_LIMITS_HZ = (8_000, 192_000)
PACKET_S = PACKET_TICKS / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The sound of one chunk: ``samples`` is (channels, n) float32 in [-1, 1], 1 or 2 channels."""

    samples: NDArray[np.float32]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return self.samples.shape[1] / self.rate_hz

    def after(self, seconds: float) -> Sound:
        """What is left of it ``seconds`` later."""
        return Sound(self.samples[:, round(seconds * self.rate_hz) :], self.rate_hz)


class SoundEncoder:
    """One stream of Opus; not safe for use from two threads at once.

    What does not fill a packet waits for the next sound.
    """

    def __init__(self, bitrate_bps: int) -> None:
        self._bitrate_bps = bitrate_bps
        self._codec: AudioCodecContext | None = None
        self._resampler: AudioResampler | None = None
        self._source: tuple[int, int] | None = None
        self._samples = 0
        self._packets = 0

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that do not fill a packet yet."""
        rate = self._source[1] if self._source else SAMPLE_RATE_HZ
        return self._samples / rate - self._packets * PACKET_S

    def encode(self, sound: Sound) -> list[bytes]:
        """Add ``sound`` and return the packets that it completes.

        Raises:
            MediaError: the rate cannot be resampled, or the codec refuses it.

        """
        channels, count = sound.samples.shape
        if not count:
            return []
        try:
            codec, resampler = self._open(channels, sound.rate_hz)
            frames = resampler.resample(_frame(sound))
            encode = cast("Callable[[av.AudioFrame], list[bytes]]", codec.encode)
            packets = [bytes(packet) for frame in frames for packet in encode(frame)]
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"Opus refused {sound.rate_hz} Hz sound: {error}") from error
        self._samples += count
        self._packets += len(packets)
        return packets

    def reset(self) -> None:
        """Forget what waits: the next sound does not follow the last."""
        self._codec = self._resampler = self._source = None
        self._samples = self._packets = 0

    def _open(self, channels: int, rate_hz: int) -> tuple[AudioCodecContext, AudioResampler]:
        if self._source != (channels, rate_hz):
            self.reset()
        if self._codec is None or self._resampler is None:
            self._resampler = AudioResampler("s16", "stereo", SAMPLE_RATE_HZ, PACKET_TICKS)
            self._codec = self._encoder()
            self._source = (channels, rate_hz)
        return self._codec, self._resampler

    def _encoder(self) -> AudioCodecContext:
        codec = cast("Any", av.CodecContext.create("libopus", "w"))
        codec.bit_rate = self._bitrate_bps
        codec.format, codec.layout, codec.sample_rate = "s16", "stereo", SAMPLE_RATE_HZ
        codec.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        codec.options = {"application": "audio", "frame_duration": "20", "fec": "1"}
        return codec


def _frame(sound: Sound) -> av.AudioFrame:
    planes = np.clip(sound.samples, -1, 1)
    if planes.shape[0] == 1:
        planes = np.repeat(planes, 2, axis=0)  # swresample would make it 3 dB quieter
    planes = np.ascontiguousarray(planes, dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
    frame.sample_rate = sound.rate_hz
    return frame
