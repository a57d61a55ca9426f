"""What landmark pipelines share about pictures: in as arrays, out as tensors, points as data."""

from __future__ import annotations

import numpy as np
import torch

DIGITS = 4
"""Of coordinates in data: a tenth of a pixel at 1080 lines."""


def to_array(video: torch.Tensor) -> np.ndarray:
    """``(1, H, W, 3)`` uint8 on any device as a ``(H, W, 3)`` array, which may share its memory."""
    return np.ascontiguousarray(video[0].cpu().numpy())


def to_tensor(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    """``(H, W, 3)`` uint8 as ``(1, H, W, 3)`` on ``device``."""
    return torch.from_numpy(picture).to(device)[None]


def relative(points: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """``(N, 2 or 3)`` pixels as shares of width and height; depth as a share of width. Rounded."""
    height, width = picture.shape[:2]
    scale = np.array([width, height, width], np.float64)[: points.shape[1]]
    return np.round(points / scale, DIGITS) + 0.0  # no minus zero


def relative_box(box: np.ndarray, picture: np.ndarray) -> list[float]:
    """x0, y0, x1, y1 in [0, 1]: what lies outside of the picture is cut off."""
    return np.clip(relative(box.reshape(2, 2), picture), 0, 1).reshape(4).tolist()


def smoothing_hz(smoothing: float) -> tuple[float, float]:
    """The One Euro filter's least cutoff and beta for a strength in [0, 1]; 0 does nothing visible."""
    return 0.5 * 100 ** (1 - smoothing), 10.0
