"""Each line of the picture from another moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings
from lightmill.pipelines.opencv import Picture
from lightmill.planes import YuvPlanes

MAX_HISTORY_BYTES = 128 * 1024 * 1024
"""A session's frames take 1.5 bytes a pixel each: 240 at 640x480 (111 MB), 97 at 1280x720."""
BLEND_STEPS = 256
"""Shares are counted in these, so that whole numbers of 16 bits do."""


class SlitScanConfig(BasePipelineConfig):
    """How far back, and which way time runs."""

    pipeline_id: ClassVar[str] = "slit-scan"
    pipeline_name: ClassVar[str] = "Slit scan"
    pipeline_description: ClassVar[str] = (
        "Each line of the picture shows another moment: whatever moves is bent by time."
    )
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ripple": {"depth": 40, "time_direction": "outwards"},
        "twist": {"depth": 90, "time_direction": "down"},
        "gentle": {"depth": 15},
    }

    depth: int = Field(
        default=60,
        ge=2,
        le=240,
        description="Frames from the newest line to the oldest. Each is kept in memory: "
        "0.46 MB at 640x480, 1.4 MB at 1280x720, at most 128 MB for a session; "
        "larger pictures reach less far back",
        json_schema_extra=ui_field_config(order=1, label="Depth (frames)"),
    )
    time_direction: Literal["down", "up", "right", "left", "outwards", "inwards"] = Field(
        default="down", description="Where time runs backwards, from the newest line on",
        json_schema_extra=ui_field_config(order=2, label="Direction"),
    )  # fmt: skip


def delays(lines: int, depth: float, direction: str) -> Picture:
    """By how many frames each line is late, ``(lines,)`` float32 from 0 to ``depth``."""
    at = (np.arange(lines, dtype=np.float32) + 0.5) / lines  # 0..1 from the first line to the last
    if direction in ("up", "left"):
        at = 1 - at
    if direction in ("outwards", "inwards"):
        at = np.abs(2 * at - 1)
    if direction == "inwards":
        at = 1 - at
    return at * np.float32(depth)


class SlitScan(PlaneEffect):
    """Keeps whole frames, newest last, and blends each line out of the two nearest to its moment."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._frames: deque[list[Picture]] = deque()

    @classmethod
    def get_config_class(cls) -> type[SlitScanConfig]:
        return SlitScanConfig

    def restart(self) -> None:
        self._frames.clear()

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        size_bytes = sum(plane.nbytes for plane in arrays)
        depth = max(2, min(settings["depth"], MAX_HISTORY_BYTES // size_bytes))
        self._frames.append(arrays)
        while len(self._frames) > depth:
            self._frames.popleft()
        sideways = settings["time_direction"] in ("left", "right")
        made: list[Picture] = []
        for index, plane in enumerate(arrays):
            history = [frame[index] for frame in self._frames]
            late = delays(plane.shape[1 if sideways else 0], depth - 1, settings["time_direction"])
            if sideways:
                made.append(scanned([kept.T for kept in history], late).T)
            else:
                made.append(scanned(history, late))
        return made


def scanned(history: list[Picture], late: Picture) -> Picture:
    """Each line of ``(H, W)`` from ``late`` frames ago; ``history`` has the newest last.

    What is not there yet is the oldest picture.
    """
    late = np.minimum(late, len(history) - 1)
    newer = late.astype(np.int64)
    older_share = np.rint((late - newer) * BLEND_STEPS).astype(np.uint16)[:, None]
    made = np.empty_like(history[-1])
    bounds = [0, *(np.flatnonzero(np.diff(newer)) + 1).tolist(), len(late)]
    for start, end in pairwise(bounds):
        lines = slice(start, end)
        ago = int(newer[start])
        newest = history[len(history) - 1 - ago][lines]
        older = history[max(0, len(history) - 2 - ago)][lines]
        share = older_share[lines]
        made[lines] = (newest * (BLEND_STEPS - share) + older * share) // BLEND_STEPS
    return made


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(SlitScan)
