"""Real clips as what pipelines see."""

from __future__ import annotations

from functools import cache

import av
import torch

from lightmill.media.pixels import FrameConverter
from lightmill.planes import YuvPlanes
from tests.artifact_files import CARPHONE, fetch

CONVERTER = FrameConverter(torch.device("cpu"))


@cache
def carphone(width=640, height=480, n_frames=120) -> list[av.VideoFrame]:
    """A man talks in a moving car."""
    (path,) = fetch([CARPHONE]).values()
    with av.open(str(path)) as clip:
        decoded = [frame for _, frame in zip(range(n_frames), clip.decode(video=0), strict=False)]
        return [frame.reformat(width, height, interpolation="BICUBIC") for frame in decoded]


def planes_of(frame: av.VideoFrame) -> YuvPlanes:
    return CONVERTER.to_planes([frame])[0]


def rgb_of(frame: av.VideoFrame) -> torch.Tensor:
    """``(1, H, W, 3)`` uint8."""
    return CONVERTER.to_rgb([frame])[0]
