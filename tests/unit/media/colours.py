"""The colour equations in float64, written from the recommendations, and pictures to try them on."""

from __future__ import annotations

import av
import numpy as np

WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
RANDOM = np.random.default_rng(11)


def reference_rgb(y, u, v, matrix, full_range):
    """Planes of one size, float64 in their codes, to RGB in [0, 255], not rounded."""
    kr, kb = WEIGHTS[matrix]
    y, u, v = (plane.astype(np.float64) for plane in (y, u, v))
    luma = y / 255 if full_range else (y - 16) / 219
    cb, cr = ((plane - 128) / (255 if full_range else 224) for plane in (u, v))
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], -1) * 255, 0, 255)


def reference_yuv(rgb, matrix, full_range):
    """RGB in [0, 255] to three float64 planes of the same size, in codes, not rounded."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (rgb[..., channel].astype(np.float64) / 255 for channel in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    if full_range:
        return luma * 255, cb * 255 + 128, cr * 255 + 128
    return luma * 219 + 16, cb * 224 + 128, cr * 224 + 128


def doubled(plane, height, width):
    return plane.repeat(2, 0).repeat(2, 1)[:height, :width]


def yuv_frame(height, width, format="yuv420p", space=2, range=0):
    """A random frame and its planes; chroma is mild, so that little of it leaves RGB's cube."""
    half = ((height + 1) // 2, (width + 1) // 2)
    planes = (
        RANDOM.integers(60, 200, (height, width), dtype=np.uint8),
        RANDOM.integers(100, 156, half, dtype=np.uint8),
        RANDOM.integers(100, 156, half, dtype=np.uint8),
    )
    frame = av.VideoFrame(width, height, format)
    for plane, content in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:] = 255  # padding that must not be seen
        rows[:, : plane.width] = content
    frame.colorspace, frame.color_range = space, range
    return frame, planes


def planes_of(frame):
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]
