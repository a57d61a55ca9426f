"""Between decoded frames and tensors: one conversion each way, none where nobody looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np
import torch

from lightmill.errors import MediaError

EXPECTED = (
    "return (T, H, W, 3) as float in [0, 1] or uint8, a list of (H, W, 3) pictures, "
    "or native frames as they came in"
)


def to_rgb_tensor(frame: av.VideoFrame, device: torch.device) -> torch.Tensor:
    """Convert to ``(1, H, W, 3)`` uint8 RGB on ``device``; the frame's colour tags are honoured."""
    picture = frame.to_ndarray(format="rgb24")  # (H, W, 3)
    return torch.from_numpy(picture).unsqueeze(0).to(device)


def to_yuv420p(picture: torch.Tensor) -> av.VideoFrame:
    """Convert ``(H, W, 3)`` uint8 RGB to a yuv420p frame (BT.601, limited range), even-sized."""
    height, width = picture.shape[0] & ~1, picture.shape[1] & ~1
    array = picture[:height, :width].contiguous().cpu().numpy()
    return av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")


def split_output(video: object) -> list[torch.Tensor | av.VideoFrame]:
    """Split what a pipeline returned into ``(H, W, 3)`` uint8 tensors or native frames.

    Floats are taken as [0, 1], rounded and clamped; NaN becomes 0.

    Raises:
        MediaError: the shape, the dtype or the type is another; the message names it.

    """
    if isinstance(video, av.VideoFrame):
        return [video]
    if isinstance(video, (list, tuple)):
        pictures: list[torch.Tensor | av.VideoFrame] = []
        for item in cast("Sequence[object]", video):
            pictures.extend(split_output(item))
        return pictures
    if isinstance(video, np.ndarray):
        return _split_tensor(torch.from_numpy(np.ascontiguousarray(cast("Any", video))))
    if isinstance(video, torch.Tensor):
        return _split_tensor(video)
    raise MediaError(f"a pipeline returned {type(video).__name__} as video; {EXPECTED}")


def _split_tensor(tensor: torch.Tensor) -> list[torch.Tensor | av.VideoFrame]:
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4 or tensor.shape[-1] != 3:
        raise MediaError(f"a pipeline returned video of shape {tuple(tensor.shape)}; {EXPECTED}")
    return list(_to_uint8(tensor).unbind(0))  # T times (H, W, 3)


def _to_uint8(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dtype == torch.uint8:
        return tensor
    if not tensor.dtype.is_floating_point:
        raise MediaError(f"a pipeline returned video of dtype {tensor.dtype}; {EXPECTED}")
    return tensor.nan_to_num(0.0).mul(255).round_().clamp_(0, 255).to(torch.uint8)
