"""Twice the frame rate: between two pictures the one that lies half-way along the motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings
from lightmill.pipelines.effects.motion import (
    Flow,
    difference,
    shrink_factor,
    small_gray,
    warped,
)
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import YuvPlanes


class InterpolateConfig(BasePipelineConfig):
    """How carefully motion is followed, and when it is not believed."""

    pipeline_id: ClassVar[str] = "interpolate"
    pipeline_name: ClassVar[str] = "Interpolate"
    pipeline_description: ClassVar[str] = (
        "Doubles the frame rate. Each picture is seen half a frame interval later."
    )
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cheap": {"quality": "fast"},
    }

    quality: Literal["fast", "fine"] = Field(
        default="fine",
        description="Fine follows small and fast things better, and takes 4 ms more at 640x480",
        json_schema_extra=ui_field_config(order=1, label="Quality"),
    )
    max_mismatch: float = Field(
        default=14.0, ge=1, le=100,
        description="Levels by which the two pictures may differ once their motion is taken out; "
        "beyond, as at a cut, the newer one is shown twice instead of a ghost of both",
        json_schema_extra=ui_field_config(order=2, label="Largest mismatch"),
    )  # fmt: skip


class Interpolate(PlaneEffect):
    """Remembers one picture. The first one, and one after a cut, comes out twice."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._before: tuple[list[Picture], Picture] | None = None  # planes, gray (h, w)
        self._search = {"fast": Flow("fast"), "fine": Flow("fine")}

    @classmethod
    def get_config_class(cls) -> type[InterpolateConfig]:
        return InterpolateConfig

    def restart(self) -> None:
        self._before = None

    def draw_all(
        self, planes: YuvPlanes, arrays: list[Picture], settings: Settings
    ) -> list[list[Picture]]:
        gray = small_gray(arrays[0]).copy()
        before, self._before = self._before, (_copies(arrays), gray)
        if before is None:
            return [_copies(arrays), arrays]
        search = self._search[settings["quality"]]
        half = half_way(search.between(before[1], gray), search.between(gray, before[1]))
        mismatch = difference(warped(before[1], half, -1), warped(gray, half, 1))
        if mismatch > settings["max_mismatch"]:
            return [_copies(arrays), arrays]
        factor = shrink_factor(arrays[0].shape[0])
        made = [
            between(old, new, half, scale)
            for old, new, scale in zip(
                before[0], arrays, (factor, factor / 2, factor / 2), strict=True
            )
        ]
        return [made, arrays]


def _copies(arrays: list[Picture]) -> list[Picture]:
    """Whoever gets a picture may write into it."""
    return [plane.copy() for plane in arrays]


def half_way(forth: Picture, back: Picture) -> Picture:
    """The motion from half-way to the later picture, ``(h, w, 2)``, out of both directions' flows.

    Jiang et al., "Super SloMo" (CVPR 2018), equation 4 at t = 1/2.
    """
    return np.asarray(cv2.addWeighted(forth, 0.25, back, -0.25, 0))


def between(before: Picture, after: Picture, half: Picture, scale: float) -> Picture:
    """Both planes moved to the half-way point, and their mean.

    ``half`` is in pixels of the small picture, of which one is ``scale`` of the plane's.
    """
    height, width = after.shape
    motion = resized(half, width, height, cv2.INTER_LINEAR) * np.float32(scale)
    mean = cv2.addWeighted(warped(before, motion, -1), 0.5, warped(after, motion, 1), 0.5, 0)
    return np.asarray(mean)


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Interpolate)
