"""The ``audio`` that a pipeline returns, checked and brought to the CPU."""

from __future__ import annotations

import numpy as np
import torch

from lightmill.errors import PipelineFailed
from lightmill.media.opus import RATE_LIMITS_HZ, Sound

DEFAULT_RATE_HZ = 48_000


def to_sound(audio: object, rate: object, name: str) -> Sound:
    """Take ``(samples,)`` or ``(channels, samples)`` floats in [-1, 1], as tensor or array.

    Raises:
        PipelineFailed: the shape, the type or the rate cannot be played; the message names ``name``.

    """
    rate_hz = DEFAULT_RATE_HZ if rate is None else rate
    low, high = RATE_LIMITS_HZ
    if not isinstance(rate_hz, int | float) or not low <= rate_hz <= high:
        raise PipelineFailed(f"{name}: audio_rate is {rate!r}; return {low} to {high} Hz")
    tensor = torch.as_tensor(audio)
    if not tensor.is_floating_point():
        raise PipelineFailed(f"{name}: audio is {tensor.dtype}; return floats in [-1, 1]")
    if tensor.ndim == 1:
        tensor = tensor[None]  # (1, samples)
    if tensor.ndim != 2 or tensor.shape[0] not in (1, 2):
        shape = tuple(tensor.shape)
        raise PipelineFailed(f"{name}: audio is {shape}; return (samples,) or (1 or 2, samples)")
    samples = np.nan_to_num(tensor.detach().to("cpu", torch.float32).numpy())
    return Sound(samples, int(rate_hz))
