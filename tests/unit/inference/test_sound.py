"""What a pipeline may return as ``audio``, and what it is told otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightmill.errors import PipelineFailed
from lightmill.inference.sound import to_sound


@pytest.mark.parametrize(
    ("audio", "channels"),
    [
        (torch.zeros(480), 1),
        (torch.zeros(1, 480), 1),
        (torch.zeros(2, 480, dtype=torch.float16), 2),
        (np.zeros((2, 480)), 2),
    ],
)
def test_mono_and_stereo_are_taken(audio: object, channels: int):
    sound = to_sound(audio, None, "Test")
    assert sound.samples.shape == (channels, 480)
    assert sound.samples.dtype == np.float32
    assert sound.rate_hz == 48_000 and sound.duration_s == 0.01


def test_nan_is_silence():
    assert np.all(to_sound(torch.full((10,), torch.nan), 16_000, "Test").samples == 0)


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (torch.zeros(480, dtype=torch.int16), None, "floats"),
        (torch.zeros(3, 480), None, "1 or 2"),
        (torch.zeros(1, 1, 480), None, "1 or 2"),
        (torch.zeros(480), 100, "audio_rate"),
        (torch.zeros(480), "48k", "audio_rate"),
    ],
)
def test_the_rest_is_refused_by_name(audio: object, rate: object, message: str):
    with pytest.raises(PipelineFailed, match=message):
        to_sound(audio, rate, "Test")
