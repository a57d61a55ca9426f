"""Moving pictures for the benchmarks, made from seeds so that every run sees the same."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import torch
import torch.nn.functional as F

OCTAVES = ((64, 40), (32, 25), (16, 18), (8, 12), (4, 8), (2, 6))
"""Cell size in pixels and amplitude of each layer of texture: about what a camera sees."""


def noisy(width: int, height: int, count: int) -> list[av.VideoFrame]:
    """A panning field of coloured blocks with noise: harder than any camera's picture."""
    random = np.random.default_rng(1)
    texture = random.integers(40, 200, (height // 8 + 20, width // 8 + 20, 3), dtype=np.uint8)
    texture = texture.repeat(8, 0).repeat(8, 1)
    frames = []
    for index in range(count):
        picture = texture[index : index + height, index : index + width].astype(np.int16)
        picture += random.integers(-5, 6, picture.shape, dtype=np.int16)
        frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
        frames.append(_stamped(frame.reformat(format="yuv420p"), index))
    return frames


def camera_like(width: int, height: int, count: int) -> list[av.VideoFrame]:
    """Texture of all sizes that pans, an object that crosses it, and a sensor's noise."""
    random = np.random.default_rng(2)
    scene = np.zeros((height + 160, width + 400), np.float32)
    for cell, amplitude in OCTAVES:
        shape = (scene.shape[0] // cell + 2, scene.shape[1] // cell + 2)
        layer = torch.from_numpy(random.normal(0, 1, shape).astype(np.float32))
        layer = F.interpolate(layer[None, None], size=scene.shape, mode="bilinear")
        scene += amplitude * layer[0, 0].numpy()
    scene = scene.clip(-100, 100) + 120
    thing = scene[40 : 40 + height // 3, 100 : 100 + width // 4][::-1, ::-1].copy()
    frames = []
    for index in range(count):
        x, y = int(150 + 120 * np.sin(index / 25)), int(60 + 40 * np.cos(index / 18))
        picture = scene[y : y + height, x : x + width].copy()
        left = int((width * 3 // 4 - 10) * (0.5 + 0.5 * np.sin(index / 15)))
        picture[height // 3 : height // 3 + thing.shape[0], left : left + thing.shape[1]] = thing
        picture += random.normal(0, 2, picture.shape)
        chroma = picture[::2, ::2] - 120
        planes = (picture.clip(16, 235), 128 + 0.3 * chroma, 128 - 0.2 * chroma)
        packed = np.concatenate([plane.clip(16, 240).astype(np.uint8).ravel() for plane in planes])
        frame = av.VideoFrame.from_ndarray(packed.reshape(height * 3 // 2, width), format="yuv420p")
        frames.append(_stamped(frame, index))
    return frames


def _stamped(frame: av.VideoFrame, index: int) -> av.VideoFrame:
    frame.pts, frame.time_base = index * 3000, Fraction(1, 90_000)
    return frame
