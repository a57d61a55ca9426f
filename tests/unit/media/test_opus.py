"""A pipeline's sound survives the encoder: its pitch, its length, its loudness."""

from __future__ import annotations

import av
import numpy as np
import pytest

from lightmill.errors import MediaError
from lightmill.media.opus import PACKET_S, Sound, SoundEncoder


def tone(seconds: float, rate_hz: int, channels: int = 1) -> Sound:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = (0.5 * np.sin(2 * np.pi * 1000 * at)).astype(np.float32)
    return Sound(np.stack([wave] * channels), rate_hz)


def decode(packets: list[bytes]) -> np.ndarray:
    """The left channel at 48 kHz, in [-1, 1]."""
    decoder = av.CodecContext.create("libopus", "r")
    heard = []
    for packet in packets:
        for frame in decoder.decode(av.Packet(packet)):
            samples = frame.to_ndarray()
            heard.append(samples.reshape(-1, 2)[:, 0] if samples.shape[0] == 1 else samples[0])
    wave = np.concatenate(heard)
    return wave / 32_768 if wave.dtype == np.int16 else wave


@pytest.mark.parametrize(("rate_hz", "channels"), [(48_000, 1), (44_100, 2), (16_000, 1)])
def test_a_tone_keeps_pitch_and_loudness(rate_hz: int, channels: int):
    encoder = SoundEncoder(96_000)
    whole = tone(1.0, rate_hz, channels)
    step = rate_hz // 30
    packets: list[bytes] = []
    for start in range(0, whole.samples.shape[1], step):
        packets += encoder.encode(Sound(whole.samples[:, start : start + step], rate_hz))
    assert 48 <= len(packets) <= 50
    assert abs(encoder.waiting_s - (1.0 - len(packets) * PACKET_S)) < 1e-6
    wave = decode(packets)[4_800:43_200]  # 0.8 s
    spectrum = np.abs(np.fft.rfft(wave))
    assert abs(np.argmax(spectrum) / 0.8 - 1000) < 3
    assert 0.4 < np.abs(wave).max() < 0.6
    assert all(len(packet) < 1_200 for packet in packets)


def test_another_rate_begins_another_stream():
    encoder = SoundEncoder(64_000)
    assert len(encoder.encode(tone(0.05, 48_000))) == 2
    assert len(encoder.encode(tone(0.05, 32_000))) in (1, 2)
    encoder.reset()
    assert encoder.waiting_s == 0
    assert encoder.encode(Sound(np.zeros((1, 0), np.float32), 48_000)) == []


def test_the_rest_of_a_sound():
    assert tone(1.0, 48_000).after(0.25).duration_s == 0.75


def test_what_cannot_be_played_is_refused():
    with pytest.raises(MediaError, match="Opus refused"):
        SoundEncoder(96_000).encode(Sound(np.zeros((3, 100), np.float32), 48_000))
