"""Twice the size with drawn-looking edges, by Anime4K's small networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.artifacts import Artifact, Files, NpmArtifact
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.neural import anime4k
from lightmill.pipelines.opencv import cv2

Content = Literal["animation", "camera", "rendered"]
Size = Literal["small", "medium"]

WEIGHTS: dict[tuple[Size, Content], tuple[str, str, int]] = {
    ("small", "animation"): (
        "cnn-2x-s-an.json",
        "aecd5bf215a8962a13e38a8623433a7477f853ccdaefe8b6274f9aa6828368e0",
        13_552,
    ),
    ("small", "camera"): (
        "cnn-2x-s-rl.json",
        "28f9853f8a4640dbc2bef0617e8dc5929590f46c16c5a5fd50a9de2502f8724b",
        13_651,
    ),
    ("small", "rendered"): (
        "cnn-2x-s-3d.json",
        "e39ec957b83f44690be0148fd37fdbf12fb765df36a2f201859a1ddbe7c741f5",
        13_624,
    ),
    ("medium", "animation"): (
        "cnn-2x-m-an.json",
        "f5833e47a3838c9f14558e413074219898deba8e73b661dcb54f38dca5eadcf7",
        34_594,
    ),
    ("medium", "camera"): (
        "cnn-2x-m-rl.json",
        "d3e5c39dea8a532a9bf546d77b83ef5dab066bc7a77e29976bcead65bd3409db",
        34_775,
    ),
    ("medium", "rendered"): (
        "cnn-2x-m-3d.json",
        "343ecc529986925121ed756bfa256b959fc3dfb7d6c69e72fb32f6c250667b74",
        34_622,
    ),
}
"""File, SHA-256 and size of each network."""
ARTIFACTS = [
    NpmArtifact(
        package="@websr/websr",
        version="0.0.15",
        member=f"weights/anime4k/{file}",
        sha256=sha256,
        size_bytes=size_bytes,
        licence="MIT",
    )
    for file, sha256, size_bytes in WEIGHTS.values()
]

Networks = dict[tuple[Size, Content], anime4k.Doubler]


class UpscaleConfig(BasePipelineConfig):
    """Which network, and what is too large for it."""

    pipeline_id: ClassVar[str] = "upscale"
    pipeline_name: ClassVar[str] = "Upscale"
    pipeline_description: ClassVar[str] = "Doubles width and height and keeps lines sharp."
    usage: ClassVar[list[UsageType]] = [UsageType.POSTPROCESSOR]
    artifacts: ClassVar[list[Artifact]] = [*ARTIFACTS]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cartoon": {"trained_on": "animation"},
        "webcam": {"trained_on": "camera"},
        "game": {"trained_on": "rendered"},
    }

    trained_on: Content = Field(
        default="animation",
        description="What the network has learnt from: drawings, cameras, or rendered scenes",
        json_schema_extra=ui_field_config(order=1, label="Trained on"),
    )
    network: Size = Field(
        default="small",
        description="medium is finer, and takes three times as long",
        json_schema_extra=ui_field_config(order=2, label="Network"),
    )
    strength: float = Field(
        default=1.0,
        ge=0,
        le=1.5,
        description="How much of the network's detail is added to the plain enlargement",
        json_schema_extra=ui_field_config(order=3, label="Strength"),
    )
    max_input_width: int = Field(
        default=640, ge=64, le=1920, description="A wider picture passes as it is, undoubled",
        json_schema_extra=ui_field_config(order=4, label="Widest input"),
    )  # fmt: skip


class Upscale(Pipeline):
    """RGB on the stage's device, one picture at a time, without state."""

    @classmethod
    def get_config_class(cls) -> type[UpscaleConfig]:
        return UpscaleConfig

    @classmethod
    def load_components(
        cls, config: BasePipelineConfig, device: torch.device, files: Files
    ) -> Networks:
        return {kind: anime4k.load(files[file], device) for kind, (file, _, _) in WEIGHTS.items()}

    @classmethod
    def warm_up(cls, components: object | None, device: torch.device) -> None:
        for network in cast("Networks", components).values():
            network(torch.zeros(1, 3, 64, 64, device=device))

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        networks = cast("Networks", self.components)
        network = networks[kwargs["network"], kwargs["trained_on"]]
        return {"video": [self._double(frame[0], network, kwargs) for frame in kwargs["video"]]}

    def _double(
        self, picture: torch.Tensor, network: anime4k.Doubler, settings: dict[str, Any]
    ) -> torch.Tensor:
        if picture.shape[1] > settings["max_input_width"]:
            return picture
        rgb = picture.permute(2, 0, 1)[None].float().mul_(1 / 255)  # (1, 3, H, W)
        (detail,) = network(rgb)  # (C, 2H, 2W)
        return added(picture, rgb, detail.mul_(settings["strength"]))


def added(picture: torch.Tensor, rgb: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
    """Enlarge ``(H, W, 3)`` uint8 and add ``(C, 2H, 2W)``, where 1 is a whole range.

    ``rgb`` is the picture as ``(1, 3, H, W)`` in [0, 1]. Returns ``(2H, 2W, 3)`` uint8.
    """
    height, width = detail.shape[1:]
    if picture.device.type == "cpu":
        plain = cv2.resize(picture.numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
        levels = plain.astype(np.float32)
        levels += np.ascontiguousarray(detail.mul_(255).permute(1, 2, 0).numpy())
        return torch.from_numpy(np.clip(np.rint(levels, out=levels), 0, 255).astype(np.uint8))
    (large,) = functional.interpolate(rgb, (height, width), mode="bilinear")
    levels = large.add(detail).mul_(255).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 0).contiguous()


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Upscale)
