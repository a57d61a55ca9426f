"""Runs one effect over pictures as a stage would, and hands back what a viewer sees."""

from __future__ import annotations

import numpy as np
import torch

from lightmill.media.pixels import FrameConverter, split_output
from lightmill.pipelines.registry import registry
from lightmill.planes import YuvPlanes

CONVERTER = FrameConverter(torch.device("cpu"))


class Show:
    """One instance of an effect: ``show(*pictures)`` takes and gives ``(H, W, 3)`` uint8 arrays."""

    def __init__(self, pipeline_id, **settings):
        entry = registry().entry(pipeline_id)
        self.values = entry.config.validate_settings("video", settings)
        self.pipeline = entry.pipeline(device=torch.device("cpu"), components=None, **self.values)
        self._first = True

    def __call__(self, *pictures, **changed):
        """All pictures in one chunk; ``changed`` settings are in force from now on."""
        self.values |= changed
        tensors = [torch.from_numpy(np.ascontiguousarray(p))[None].clone() for p in pictures]
        if self.pipeline.accepts == "yuv420p":
            native = CONVERTER.to_frames([tensor[0] for tensor in tensors])
            tensors = CONVERTER.to_planes(native)
        return seen(self.raw(tensors))

    def raw(self, video):
        """One chunk of tensors or planes, as it comes back."""
        with torch.inference_mode():
            result = self.pipeline(**self.values, video=video, init_cache=self._first)
        self._first = False
        return result["video"]


def seen(video):
    """What viewers see of a result."""
    made = split_output(video)
    if made and isinstance(made[0], YuvPlanes):
        made = [rgb[0] for rgb in CONVERTER.to_rgb(CONVERTER.to_frames(made))]
    return [picture.numpy() for picture in made]


def as_seen(picture):
    """What conversion to planes and back leaves of a picture."""
    native = CONVERTER.to_frames([torch.from_numpy(np.ascontiguousarray(picture))])
    return CONVERTER.to_rgb(native)[0][0].numpy()


def gray_of(picture):
    """The green channel in all three."""
    return np.repeat(picture[..., 1:2], 3, axis=2)


def show(pipeline_id, *pictures, **settings):
    return Show(pipeline_id, **settings)(*pictures)


def flat(colour, height=64, width=96):
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = colour
    return picture


def texture(height=240, width=320, seed=5):
    """Soft random spots: every place can be told from every other."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spots = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip((spots - 128) * 5 + 128, 0, 255).astype(np.uint8)


def moved(picture, x, y, angle=0.0, height=None, width=None):
    """The middle of a larger picture after the camera moved by ``x, y`` pixels and ``angle`` degrees."""
    import cv2

    rows, columns = picture.shape[:2]
    height, width = height or rows // 2, width or columns // 2
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, 1)
    matrix[:, 2] += (x - (columns - width) / 2, y - (rows - height) / 2)
    return cv2.warpAffine(picture, matrix, (width, height))


def distance(one, other):
    """Mean difference in levels."""
    return float(np.abs(one.astype(np.int32) - other.astype(np.int32)).mean())
