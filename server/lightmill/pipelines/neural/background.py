"""Somebody before another background: blurred, a colour, a picture, or green for a keyer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field, field_validator

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.artifacts import Artifact, Files
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.neural import backdrop, images, planar, segmentation
from lightmill.pipelines.neural.matte import SteadyMask, guided, hardened
from lightmill.pipelines.neural.planar import Planes
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import YuvPlanes


class BackgroundConfig(BasePipelineConfig):
    """What stands behind, and how the edge is drawn."""

    pipeline_id: ClassVar[str] = "background"
    pipeline_name: ClassVar[str] = "Background"
    pipeline_description: ClassVar[str] = (
        "Blurs or replaces what is behind people; nothing but the camera is needed."
    )
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    artifacts: ClassVar[list[Artifact]] = [*segmentation.ARTIFACTS]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "office": {"background": "blur", "blur_amount": 0.6},
        "hint": {"background": "blur", "blur_amount": 0.25, "softness": 0.5},
        "studio": {"background": "colour", "colour": "#20262e", "light_wrap": 0.25},
        "green-screen": {"background": "green", "light_wrap": 0},
        "set-up": {"background": "matte"},
    }

    background: Literal["blur", "colour", "image", "green", "matte"] = Field(
        default="blur",
        description="What stands behind people; green is for a keyer, matte shows the mask itself",
        json_schema_extra=ui_field_config(order=1, label="Background"),
    )
    blur_amount: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How blurred the background is; 0 leaves it sharp",
        json_schema_extra=ui_field_config(order=2, label="Blur"),
    )
    colour: str = Field(
        default="#1f2a44",
        pattern=backdrop.HEX_COLOUR,
        description="For colour, #rrggbb; also where image has none",
        json_schema_extra=ui_field_config(order=3, label="Colour"),
    )
    backdrop_image: str = Field(
        default="",
        max_length=images.MAX_URL_LENGTH,
        description="For image: a PNG or JPEG as a data: URL, at most 96 kB and 1920x1080; "
        "a larger one that is chosen on the page is scaled",
        json_schema_extra=ui_field_config(order=4, label="Image", file="image/png,image/jpeg"),
    )
    model: segmentation.ModelName = Field(
        default="landscape",
        description="square looks closer, for tall pictures and people far away, and costs more",
        json_schema_extra=ui_field_config(order=5, label="Network"),
    )
    refine: bool = Field(
        default=True,
        description="Follow the edges that the picture has",
        json_schema_extra=ui_field_config(order=6, label="Refine the edge"),
    )
    softness: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="Width of the edge",
        json_schema_extra=ui_field_config(order=7, label="Softness"),
    )
    smoothing: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Steadies the edge where nothing moves",
        json_schema_extra=ui_field_config(order=8, label="Steadiness"),
    )
    light_wrap: float = Field(
        default=0.0, ge=0, le=1, description="How far the background's light reaches over the edge",
        json_schema_extra=ui_field_config(order=9, label="Light wrap"),
    )  # fmt: skip

    @field_validator("backdrop_image")
    @classmethod
    def _unpacks(cls, url: str) -> str:
        if url:
            images.picture_of(url)
        return url


class Background(Pipeline):
    """Works on planes, on the CPU whatever the stage's device: the network runs there anyway."""

    accepts = "yuv420p"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._segmenters: dict[str, segmentation.Segmenter] = {}
        self._steady = SteadyMask()
        self._backdrops = backdrop.Backdrops()

    @classmethod
    def get_config_class(cls) -> type[BackgroundConfig]:
        return BackgroundConfig

    @classmethod
    def load_components(
        cls, config: BasePipelineConfig, device: torch.device, files: Files
    ) -> segmentation.Segmentation:
        return segmentation.Segmentation(files)

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["init_cache"]:
            self._steady = SteadyMask()
        return {"video": [self._draw(planes, kwargs) for planes in kwargs["video"]]}

    def _draw(self, picture: YuvPlanes, settings: dict[str, Any]) -> YuvPlanes:
        planes = (picture.y.cpu().numpy(), picture.u.cpu().numpy(), picture.v.cpu().numpy())
        alpha = self.matte(planes, picture, settings)
        wrapped = wrap(alpha, settings["light_wrap"])
        behind = self._backdrops.planes(planes, alpha, picture, settings)
        if settings["background"] == "matte":
            made = backdrop.shown(alpha, picture)
        else:
            made = composite(planes, behind, wrapped)
        y, u, v = (torch.from_numpy(plane).to(self.device) for plane in made)
        return YuvPlanes(y, u, v, picture.matrix, picture.full_range)

    def matte(self, planes: Planes, picture: YuvPlanes, settings: dict[str, Any]) -> Picture:
        """How much each pixel is of a person, ``(H, W)`` float32 in [0, 1]."""
        segmenter = self._segmenter(settings["model"])
        to_rgb = planar.rgb_from_yuv(picture.matrix, picture.full_range)
        rgb = planar.small_rgb(planes, segmenter.width, segmenter.height, to_rgb)
        guide = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))  # (h, w)
        mask = self._steady.update(segmenter.mask(rgb), guide, settings["smoothing"])
        height, width = planes[0].shape
        if not settings["refine"]:
            return hardened(resized(mask, width, height, cv2.INTER_LINEAR), settings["softness"])
        scale, shift = (255.0, 0.0) if picture.full_range else (219.0, 16.0)
        luma = planes[0].astype(np.float32)
        luma -= shift
        luma *= 1 / scale
        return hardened(guided(mask, guide, luma), settings["softness"])

    def _segmenter(self, model: segmentation.ModelName) -> segmentation.Segmenter:
        if model not in self._segmenters:
            shared = cast("segmentation.Segmentation", self.components)
            self._segmenters = {model: shared.segmenter(model)}
        return self._segmenters[model]

    def close(self) -> None:
        self._segmenters = {}
        self._steady = SteadyMask()
        self._backdrops = backdrop.Backdrops()


def wrap(alpha: Picture, strength: float) -> Picture:
    """Let what is behind shine over the edge: less of the person near much background."""
    if strength == 0:
        return alpha
    height, width = alpha.shape
    small = resized(alpha, width // 4, height // 4, cv2.INTER_AREA)
    near = resized(cv2.blur(1 - small, (9, 9)), width, height, cv2.INTER_LINEAR)
    return alpha * (1 - strength * near)


def composite(front: Planes, behind: Planes, alpha: Picture) -> list[Picture]:
    """Lay ``front`` over ``behind`` by ``alpha``, ``(H, W)`` float32; chroma by the mean of four."""
    height, width = front[1].shape
    coarse = resized(alpha, width, height, cv2.INTER_AREA)
    return [
        np.asarray(cv2.blendLinear(ours, theirs, weight, 1 - weight))
        for ours, theirs, weight in zip(front, behind, (alpha, coarse, coarse), strict=True)
    ]


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Background)
