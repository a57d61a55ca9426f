"""A dark picture made bright, place by place, by Zero-DCE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import torch
from pydantic import Field
from torch.nn import functional

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.artifacts import Artifact, Files, WheelArtifact
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.neural import zero_dce
from lightmill.pipelines.opencv import cv2, resized

WEIGHTS = WheelArtifact(
    package="neuro-low-light",
    version="0.1.0",
    member="neuro_low_light/weights/best_model.pth",
    sha256="64f31f24bc6bd08c46eb5a5f8f67f36576d08337287454b6b5ed2bc4aa60a62f",
    size_bytes=970_594,
    licence="MIT",
)
LONGEST_MEMORY = 0.95
"""Share of the old exposure that stays from frame to frame at full smoothing."""
STILL, MOVING = 0.02, 0.1
"""Change of a place's level (of 1) up to which it counts as still, and from which on as moving."""
GREY_SHARE = 0.7
"""How far the curves of red, green and blue are drawn together: the network alone tints."""
DARK, LIT = 0.15, 0.5
"""Level (of 1) of a neighbourhood below which it gets all light, and above which it gets none."""
NEIGHBOURHOOD_PX = 9
"""In the small picture."""
NEW_SCENE = 0.2
"""Mean change of the picture (of 1) that nobody makes by moving: a cut, or the light went on."""


class LowLightConfig(BasePipelineConfig):
    """How much light, how finely, how calmly."""

    pipeline_id: ClassVar[str] = "low-light"
    pipeline_name: ClassVar[str] = "Low light"
    pipeline_description: ClassVar[str] = "Brightens dark places and leaves the others alone."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    artifacts: ClassVar[list[Artifact]] = [WEIGHTS]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "evening": {"strength": 0.5},
        "night": {"strength": 1},
        "steady": {"smoothing": 0.95},
    }

    strength: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="How much light is added; 0 changes nothing",
        json_schema_extra=ui_field_config(order=1, label="Strength"),
    )
    map_size: int = Field(
        default=128,
        ge=48,
        le=256,
        description="Longer side of the picture that the network sees; its time grows with the square",
        json_schema_extra=ui_field_config(order=2, label="Detail (pixels)"),
    )
    smoothing: float = Field(
        default=0.8, ge=0, le=1, description="Keeps the exposure from pumping as things move",
        json_schema_extra=ui_field_config(order=3, label="Steadiness"),
    )  # fmt: skip


class SteadyCurves:
    """Averages curves over time: the mean exposure slowly, its places where they stand still.

    A new scene starts anew.
    """

    def __init__(self) -> None:
        self._seen: torch.Tensor | None = None  # (1, 3, h, w)
        self._mean: torch.Tensor | None = None  # (24, 1, 1)
        self._places: torch.Tensor | None = None  # (24, h, w)

    def update(self, small: torch.Tensor, curves: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Take what the network saw, ``(1, 3, h, w)``, and said, ``(24, h, w)``."""
        mean = curves.mean((1, 2), keepdim=True)
        places = curves - mean
        if self._seen is not None and self._seen.shape == small.shape:
            change = (small - self._seen).abs().mean(1)  # (1, h, w)
            if change.mean() < NEW_SCENE and self._mean is not None and self._places is not None:
                keep = smoothing * LONGEST_MEMORY
                moving = ((change - STILL) / (MOVING - STILL)).clamp(0, 1)
                mean = torch.lerp(mean, self._mean, keep)
                places = torch.lerp(places, self._places, keep * (1 - moving))
        self._seen, self._mean, self._places = small, mean, places
        return mean + places


class LowLight(Pipeline):
    """RGB on the stage's device; the network sees a small picture, the curves the whole."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._steady = SteadyCurves()

    @classmethod
    def get_config_class(cls) -> type[LowLightConfig]:
        return LowLightConfig

    @classmethod
    def load_components(
        cls, config: BasePipelineConfig, device: torch.device, files: Files
    ) -> zero_dce.CurveNetwork:
        return zero_dce.load(files[WEIGHTS.names[0]], device)

    @classmethod
    def warm_up(cls, components: object | None, device: torch.device) -> None:
        cast("zero_dce.CurveNetwork", components)(torch.zeros(1, 3, 96, 128, device=device))

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["init_cache"]:
            self._steady = SteadyCurves()
        return {"video": [self._brighten(frame[0], kwargs) for frame in kwargs["video"]]}

    def _brighten(self, picture: torch.Tensor, settings: dict[str, Any]) -> torch.Tensor:
        network = cast("zero_dce.CurveNetwork", self.components)
        small = reduced(picture, settings["map_size"])
        curves = calmed(network(small)[0], small)
        curves = self._steady.update(small, curves, settings["smoothing"])
        return zero_dce.apply(picture, curves * settings["strength"])

    def close(self) -> None:
        self._steady = SteadyCurves()


def calmed(curves: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
    """Take the tint out of curves, ``(24, h, w)``, and their force where there is light."""
    height, width = curves.shape[1:]
    channels = curves.view(zero_dce.ITERATIONS, 3, height, width)
    channels = torch.lerp(channels, channels.mean(1, keepdim=True), GREY_SHARE)
    reach = NEIGHBOURHOOD_PX // 2
    level = functional.avg_pool2d(
        small.mean(1, keepdim=True), NEIGHBOURHOOD_PX, 1, reach, count_include_pad=False
    )[0]  # (1, h, w)
    need = ((LIT - level) / (LIT - DARK)).clamp(0, 1)
    return (channels * need).reshape(-1, height, width)


def reduced(picture: torch.Tensor, longer: int) -> torch.Tensor:
    """``(H, W, 3)`` uint8 as ``(1, 3, h, w)`` float in [0, 1], its longer side ``longer`` pixels."""
    height, width = picture.shape[:2]
    scale = longer / max(height, width)
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    if picture.device.type == "cpu":
        filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        seen = torch.from_numpy(resized(picture.numpy(), size[1], size[0], filter_))
        return seen.permute(2, 0, 1)[None].float().mul_(1 / 255)
    pixels = picture.permute(2, 0, 1)[None].float()  # (1, 3, H, W)
    return functional.interpolate(pixels, size, mode="area").mul_(1 / 255)


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(LowLight)
