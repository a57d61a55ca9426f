"""The .tflite files of landmark networks: where they come from, and loading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lightmill.pipelines.artifacts import Artifact, Files, WheelArtifact
from lightmill.pipelines.neural.litert import Network


def mediapipe_file(member: str, sha256: str, size_bytes: int) -> WheelArtifact:
    """A file of the last release of MediaPipe that carries its networks; ``member`` without its root.

    The release is fixed to one wheel, whatever this machine is: the files are the same in all.
    """
    return WheelArtifact(
        package="mediapipe",
        version="0.10.21",
        member=f"mediapipe/modules/{member}",
        sha256=sha256,
        size_bytes=size_bytes,
        licence="Apache-2.0",
        python_version="3.11",
        platforms=("manylinux_2_28_x86_64",),
    )


def load_networks(artifacts: list[Artifact], files: Files) -> dict[str, Network]:
    """Read every network, by its file's name. Raises `KeyError` for a file that is not there."""
    return {name: Network(files[name]) for each in artifacts for name in each.names}


def networks_of(components: object | None) -> Mapping[str, Network]:
    """What `load_networks` made, as a pipeline's constructor gets it.

    Raises:
        ValueError: there are none; the pipeline cannot do without.

    """
    if not isinstance(components, dict):
        raise ValueError("the networks' files are not loaded")
    return cast("dict[str, Network]", components)
