"""YUV and RGB: the arithmetic on any torch device, and what a frame's colour tags mean.

What no tag says is BT.601 in limited range, at every size: VP8 knows nothing else (RFC 6386
section 9.2), browsers convert their cameras' pictures so, and swscale assumes it too. What we
make from RGB is therefore BT.601 limited as well, and tagged, so that no player has to guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange

from lightmill.planes import Matrix

LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
}
"""Kr and Kb (ITU-R BT.601-7 and BT.709-6, item 3.2 each)."""
UNSPECIFIED_SPACE, SPACE_BT709, SPACE_SMPTE170M, SPACE_BT2020 = 2, 1, 6, (9, 10)
"""Matrix coefficients as numbered by ITU-T H.273 table 4 (and FFmpeg's AVColorSpace)."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How the numbers of a YUV picture are meant."""

    matrix: Matrix = "bt601"
    full_range: bool = False

    @property
    def space(self) -> int:
        """The number that frames and codecs carry for the matrix (ITU-T H.273)."""
        return SPACE_BT709 if self.matrix == "bt709" else SPACE_SMPTE170M

    @property
    def range(self) -> ColorRange:
        return ColorRange.JPEG if self.full_range else ColorRange.MPEG

    def tag(self, frame: av.VideoFrame) -> None:
        frame.colorspace = self.space
        frame.color_range = self.range


def colour_of(frame: av.VideoFrame) -> Colour:
    """Read the frame's tags; BT.2020 counts as BT.709, its nearest."""
    hd = frame.colorspace == SPACE_BT709 or frame.colorspace in SPACE_BT2020
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return Colour("bt709" if hd else "bt601", full)


def _weights(colour: Colour) -> tuple[list[list[float]], float, float, float]:
    """RGB in [0, 1] to Y in [0, 1] and Cb, Cr in [-0.5, 0.5]; the scales; Y's offset."""
    kr, kb = LUMA_WEIGHTS[colour.matrix]
    kg = 1 - kr - kb
    blue, red = 2 * (1 - kb), 2 * (1 - kr)
    rows = [
        [kr, kg, kb],
        [-kr / blue, -kg / blue, (1 - kb) / blue],
        [(1 - kr) / red, -kg / red, -kb / red],
    ]
    return (rows, 255.0, 255.0, 0.0) if colour.full_range else (rows, 219.0, 224.0, 16.0)


def rgb_from_yuv(y: torch.Tensor, u: torch.Tensor, v: torch.Tensor, colour: Colour) -> torch.Tensor:
    """Convert ``(N, H, W)`` and twice ``(N, H/2, W/2)`` uint8 to ``(N, H, W, 3)`` uint8 RGB."""
    rows, luma, chroma, black = _weights(colour)
    inverse = np.linalg.inv(np.array(rows)) * [255 / luma, 255 / chroma, 255 / chroma]
    shift = inverse @ [black, 128.0, 128.0]
    height, width = y.shape[1], y.shape[2]
    full = [plane.float() for plane in (y, _doubled(u, height, width), _doubled(v, height, width))]
    rgb = torch.empty((*y.shape, 3), dtype=torch.uint8, device=y.device)
    for channel in range(3):
        by_y, by_u, by_v = (float(factor) for factor in inverse[channel])
        value = full[0] * by_y - float(shift[channel])
        value.add_(full[1], alpha=by_u).add_(full[2], alpha=by_v)
        rgb[..., channel] = value.round_().clamp_(0, 255)
    return rgb


def _doubled(plane: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Repeat each pixel twice each way: ``(N, h, w)`` to ``(N, height, width)``."""
    n, h, w = plane.shape
    blocks = plane[:, :, None, :, None].expand(n, h, 2, w, 2)
    return blocks.reshape(n, 2 * h, 2 * w)[:, :height, :width]


def packed_from_rgb(rgb: torch.Tensor, colour: Colour) -> torch.Tensor:
    """Convert ``(N, H, W, 3)`` uint8 RGB of even size to packed planes ``(N, H*W*3/2)`` uint8."""
    rows, luma, chroma, black = _weights(colour)
    n, height, width, _ = rgb.shape
    planar = rgb.permute(3, 0, 1, 2).float()  # (3, N, H, W)
    blocks = planar.reshape(3, n, height // 2, 2, width // 2, 2)
    small = blocks.mean((3, 5))  # (3, N, H/2, W/2)
    planes = [
        _mixed(planar, rows[0], luma / 255, black),
        _mixed(small, rows[1], chroma / 255, 128.0),
        _mixed(small, rows[2], chroma / 255, 128.0),
    ]
    return torch.cat([plane.reshape(n, -1) for plane in planes], dim=1)


def _mixed(rgb: torch.Tensor, row: list[float], scale: float, offset: float) -> torch.Tensor:
    value = rgb[0] * (row[0] * scale)
    value.add_(rgb[1], alpha=row[1] * scale).add_(rgb[2], alpha=row[2] * scale)
    return value.add_(offset).round_().clamp_(0, 255).to(torch.uint8)
