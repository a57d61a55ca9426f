"""Who is in the picture: MediaPipe's selfie segmentation, as a mask of the network's size."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lightmill.pipelines.artifacts import Files, WheelArtifact
from lightmill.pipelines.neural.litert import Network
from lightmill.pipelines.opencv import Picture

ModelName = Literal["landscape", "square"]

FILES: dict[ModelName, str] = {
    "landscape": "selfie_segmentation_landscape.tflite",
    "square": "selfie_segmentation.tflite",
}
HASHES: dict[ModelName, tuple[str, int]] = {
    "landscape": ("a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd", 250_145),
    "square": ("9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c", 249_505),
}
ARTIFACTS = [
    WheelArtifact(
        package="mediapipe",
        version="0.10.21",
        member=f"mediapipe/modules/selfie_segmentation/{FILES[name]}",
        sha256=sha256,
        size_bytes=size_bytes,
        licence="Apache-2.0",
        python_version="3.11",
        platforms=("manylinux_2_28_x86_64",),
    )
    for name, (sha256, size_bytes) in HASHES.items()
]
"""One wheel on every machine: only files are taken from it."""


class Segmentation:
    """Both networks' files, shared by all sessions."""

    def __init__(self, files: Files) -> None:
        self._networks = {name: Network(files[file]) for name, file in FILES.items()}

    def segmenter(self, model: ModelName) -> Segmenter:
        return Segmenter(self._networks[model])


class Segmenter:
    """One session's network; one call at a time."""

    def __init__(self, network: Network) -> None:
        self._interpreter = network.interpreter()
        _, self.height, self.width, _ = self._interpreter.input_shapes[0]

    def mask(self, rgb: Picture) -> Picture:
        """How much each pixel of ``(height, width, 3)`` float32 in [0, 1] is of a person.

        ``(height, width)`` float32 in [0, 1].
        """
        (mask,) = self._interpreter.invoke(rgb[None])  # (1, height, width, 1)
        return np.ascontiguousarray(mask[0, :, :, 0])
