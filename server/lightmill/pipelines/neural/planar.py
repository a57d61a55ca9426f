"""YUV planes as small RGB pictures for networks, and RGB pictures as planes: what both ways need."""

from __future__ import annotations

import numpy as np

from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import Matrix

LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
}
"""Kr and Kb (ITU-R BT.601-7 and BT.709-6, item 3.2 each)."""

Planes = tuple[Picture, Picture, Picture]
"""Y ``(H, W)``, U and V ``(H/2, W/2)`` uint8."""


def yuv_from_rgb(matrix: Matrix, full_range: bool) -> Picture:
    """The ``(3, 4)`` affine map from RGB in 0..255 to Y, U and V in 0..255."""
    kr, kb = LUMA_WEIGHTS[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    rows = [luma, ([0, 0, 1] - luma) / (2 - 2 * kb), ([1, 0, 0] - luma) / (2 - 2 * kr)]
    scale = [1, 1, 1] if full_range else [219 / 255, 224 / 255, 224 / 255]
    offset = [0 if full_range else 16, 128, 128]
    return np.column_stack([np.array(rows) * np.array(scale)[:, None], offset]).astype(np.float32)


def rgb_from_yuv(matrix: Matrix, full_range: bool) -> Picture:
    """The ``(3, 4)`` affine map from Y, U and V in 0..255 to RGB in 0..1."""
    forward = yuv_from_rgb(matrix, full_range).astype(np.float64)
    inverse = np.linalg.inv(forward[:, :3]) / 255
    return np.column_stack([inverse, -inverse @ forward[:, 3]]).astype(np.float32)


def small_rgb(planes: Planes, width: int, height: int, to_rgb: Picture) -> Picture:
    """The picture stretched to a network's input, ``(height, width, 3)`` float32 in [0, 1]."""
    small = [resized(plane, width, height, cv2.INTER_AREA) for plane in planes]
    rgb = cv2.transform(cv2.merge(small).astype(np.float32), to_rgb)
    return np.clip(rgb, 0, 1, out=rgb)


def planes_of(rgb: Picture, to_yuv: Picture) -> Planes:
    """``(H, W, 3)`` uint8 as planes; U and V are the mean of each four pixels."""
    height, width = rgb.shape[:2]
    y, u, v = cv2.split(cv2.transform(rgb, to_yuv))
    half = ((width + 1) // 2, (height + 1) // 2)
    return y, resized(u, *half, cv2.INTER_AREA), resized(v, *half, cv2.INTER_AREA)


def covering(rgb: Picture, width: int, height: int) -> Picture:
    """Enlarge or reduce until the picture covers the size, and cut what stands over."""
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    wide, high = max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale))
    fitted = resized(rgb, wide, high, cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (wide - width) // 2, (high - height) // 2
    return np.ascontiguousarray(fitted[top : top + height, left : left + width])
