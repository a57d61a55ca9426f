"""A picture as video codecs see it: one luma plane and two smaller chroma planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Matrix = Literal["bt601", "bt709"]


@dataclass(frozen=True, slots=True, eq=False)
class YuvPlanes:
    """One 4:2:0 picture on the stage's device; what ``accepts = "yuv420p"`` pipelines get.

    ``y`` is ``(H, W)``, ``u`` and ``v`` are half as high and wide (rounded up), all uint8. In
    limited range black is 16 and white 235 in ``y``, and chroma lies in [16, 240]; in full range
    everything lies in [0, 255]. Grey is 128 in ``u`` and ``v`` in both. The tensors are the
    pipeline's own: it may write into them.
    """

    y: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    matrix: Matrix = "bt601"
    full_range: bool = False

    def __post_init__(self) -> None:
        if self.y.ndim != 2:
            raise ValueError(f"y has shape {tuple(self.y.shape)}; it must be (H, W)")
        height, width = self.y.shape
        half = ((height + 1) // 2, (width + 1) // 2)
        for name, plane in (("u", self.u), ("v", self.v)):
            if tuple(plane.shape) != half:
                raise ValueError(f"{name} has shape {tuple(plane.shape)}; it must be {half}")
        if any(plane.dtype != torch.uint8 for plane in (self.y, self.u, self.v)):
            raise ValueError("planes must be uint8")
