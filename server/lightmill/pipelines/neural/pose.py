"""A person's pose: a skeleton over it, 33 points as data at frame rate, and the person cut out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.artifacts import Artifact
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.neural import pose_net
from lightmill.pipelines.neural.drawing import Colour, Lines, draw_dots, draw_lines, line_width
from lightmill.pipelines.neural.frames import relative, smoothing_hz, to_tensor
from lightmill.pipelines.neural.landmarks import LandmarkPipeline
from lightmill.pipelines.neural.model_files import networks_of
from lightmill.pipelines.neural.person_mask import shade
from lightmill.pipelines.neural.pose_net import Body
from lightmill.pipelines.neural.region import Region
from lightmill.pipelines.neural.tracking import Track, Tracker, regions_of

VISIBLE = 0.5
"""Points that are less surely in sight are not drawn."""
DETECT_EVERY = 10
"""Frames between looks for somebody else while what is followed may be nobody."""
SURE = 0.99
"""A person in plain view scores more; a van that looks like one, less."""
LEFT_COLOUR: Colour = (255, 150, 60)
RIGHT_COLOUR: Colour = (70, 190, 255)
MIDDLE_COLOUR: Colour = (235, 235, 235)


def _at(*names: str) -> Lines:
    numbers = [pose_net.NAMES.index(name) for name in names]
    return list(pairwise(numbers))


def _side(side: str) -> Lines:
    arm = _at(*(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")))
    hand = _at(*(f"{side}_{joint}" for joint in ("wrist", "pinky", "index", "wrist", "thumb")))
    leg = _at(*(f"{side}_{joint}" for joint in ("shoulder", "hip", "knee", "ankle")))
    foot = _at(*(f"{side}_{joint}" for joint in ("ankle", "heel", "toe", "ankle")))
    return [*arm, *hand, *leg, *foot]


MIDDLE = [
    *_at("left_shoulder", "right_shoulder"),
    *_at("left_hip", "right_hip"),
    *_at("left_ear", "left_eye_middle", "nose", "right_eye_middle", "right_ear"),
    *_at("mouth_left", "mouth_right"),
]
SKELETON = ((MIDDLE, MIDDLE_COLOUR), (_side("left"), LEFT_COLOUR), (_side("right"), RIGHT_COLOUR))


class PoseConfig(BasePipelineConfig):
    """What is drawn over a person, and what is sent about it."""

    pipeline_id: ClassVar[str] = "pose"
    pipeline_name: ClassVar[str] = "Pose"
    pipeline_description: ClassVar[str] = (
        "Finds a person's joints, draws a skeleton, and sends the joints as data."
    )
    artifacts: ClassVar[list[Artifact]] = [*pose_net.ARTIFACTS]
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "stick-figure": {"background": "black"},
        "spotlight": {"background": "dim"},
        "data-only": {"effect": "none"},
    }

    effect: Literal["skeleton", "points", "none"] = Field(
        default="skeleton",
        description="Drawn over the person",
        json_schema_extra=ui_field_config(order=1, label="Effect"),
    )
    background: Literal["keep", "dim", "black"] = Field(
        default="keep",
        description="What becomes of all that is not the person",
        json_schema_extra=ui_field_config(order=2, label="Background"),
    )
    min_score: float = Field(
        default=0.5,
        ge=0.1,
        le=0.9,
        description="Less sure finds do not count",
        json_schema_extra=ui_field_config(order=3, label="Least score"),
    )
    smoothing: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Steadies what is drawn and sent; more lags more",
        json_schema_extra=ui_field_config(order=4, label="Smoothing"),
    )
    send_data: bool = Field(
        default=True,
        description="Send the joints to clients",
        json_schema_extra=ui_field_config(order=5, label="Data"),
    )


class Pose(LandmarkPipeline):
    """Follows one person by the joints; people are looked for when nobody is followed."""

    def __init__(
        self, *, device: torch.device, components: object | None = None, **settings: Any
    ) -> None:
        super().__init__(device=device, components=components, **settings)
        self._net = pose_net.PoseNet(networks_of(components))
        self._tracker = Tracker(self._regions, self._net.look, DETECT_EVERY, SURE)
        self._min_score = 0.5

    @classmethod
    def get_config_class(cls) -> type[PoseConfig]:
        return PoseConfig

    def _forget(self) -> None:
        self._tracker.reset()

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        picture = self._picture_of(kwargs)
        self._min_score = kwargs["min_score"]
        tracks = self._tracker(picture, 1, *smoothing_hz(kwargs["smoothing"]))
        bodies = [track.sighting.extra for track in tracks]
        seen = [body for body in bodies if isinstance(body, Body)]
        drawn = shade(picture, seen, kwargs["background"])
        for track, body in zip(tracks, seen, strict=True):
            _draw(drawn, track.points, body.visibility, kwargs["effect"])
        result: dict[str, Any] = {"video": to_tensor(drawn, self.device)}
        if kwargs["send_data"]:
            people = zip(tracks, seen, strict=True)
            result["data"] = {"people": [_describe(*person, picture) for person in people]}
        return result

    def _regions(self, picture: np.ndarray) -> list[Region]:
        found = self._net.detect(picture, self._min_score)
        return regions_of(found, pose_net.region_of_detection)


def _draw(picture: np.ndarray, points: np.ndarray, visibility: np.ndarray, effect: str) -> None:
    if effect == "none":
        return
    width, visible = line_width(picture), visibility >= VISIBLE
    if effect == "skeleton":
        for lines, colour in SKELETON:
            shown = [(a, b) for a, b in lines if visible[a] and visible[b]]
            draw_lines(picture, points, shown, colour, width)
    draw_dots(picture, points[visible], MIDDLE_COLOUR, width)


def _describe(track: Track, body: Body, picture: np.ndarray) -> dict[str, Any]:
    """One person of the data that ``docs/pipelines/landmarks.md`` shows."""
    places = relative(track.points, picture)
    rows = np.column_stack((places, np.round(body.visibility.astype(np.float64), 2)))  # (33, 4)
    return {
        "id": track.id,
        "score": round(track.sighting.score, 3),
        "points": dict(zip(pose_net.NAMES, rows.tolist(), strict=True)),
    }


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Pose)
