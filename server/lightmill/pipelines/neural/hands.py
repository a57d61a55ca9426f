"""Hands: a skeleton over each, 21 points and which hand it is as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.artifacts import Artifact
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.neural import hand_net
from lightmill.pipelines.neural.drawing import Colour, draw_dots, draw_lines, line_width, write
from lightmill.pipelines.neural.frames import relative, smoothing_hz, to_tensor
from lightmill.pipelines.neural.landmarks import LandmarkPipeline
from lightmill.pipelines.neural.model_files import networks_of
from lightmill.pipelines.neural.region import Region
from lightmill.pipelines.neural.tracking import Track, Tracker, regions_of

DETECT_EVERY = 10
"""Frames between looks for a further hand while one is followed."""
HANDEDNESS_SHARE = 0.2
"""How much one frame says about which hand it is."""
DOT_COLOUR: Colour = (250, 250, 250)
PALM_COLOUR: Colour = (200, 200, 200)
PALM_LINES = [(0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17)]
FINGER_COLOURS: tuple[Colour, ...] = (
    (255, 170, 70), (255, 225, 80), (110, 220, 120), (90, 190, 255), (200, 140, 255),
)  # fmt: skip


class HandsConfig(BasePipelineConfig):
    """What is drawn over hands, and what is sent about them."""

    pipeline_id: ClassVar[str] = "hands"
    pipeline_name: ClassVar[str] = "Hands"
    pipeline_description: ClassVar[str] = "Finds hands and draws the skeletons of their fingers."
    artifacts: ClassVar[list[Artifact]] = [*hand_net.ARTIFACTS]
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dots": {"effect": "points", "labels": False},
        "data-only": {"effect": "none"},
    }

    effect: Literal["skeleton", "points", "none"] = Field(
        default="skeleton",
        description="Drawn over hands",
        json_schema_extra=ui_field_config(order=1, label="Effect"),
    )
    labels: bool = Field(
        default=True,
        description="Write which hand it is",
        json_schema_extra=ui_field_config(order=2, label="Labels"),
    )
    max_hands: int = Field(
        default=2,
        ge=1,
        le=4,
        description="Hands that are followed; each costs",
        json_schema_extra=ui_field_config(order=3, label="Most hands"),
    )
    min_score: float = Field(
        default=0.5,
        ge=0.1,
        le=0.9,
        description="Less sure finds do not count",
        json_schema_extra=ui_field_config(order=4, label="Least score"),
    )
    smoothing: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Steadies what is drawn and sent; more lags more",
        json_schema_extra=ui_field_config(order=5, label="Smoothing"),
    )
    mirrored: bool = Field(
        default=False,
        description="The picture comes mirrored, as some webcam programs send it",
        json_schema_extra=ui_field_config(order=6, label="Mirrored"),
    )
    send_data: bool = Field(
        default=True,
        description="Send the points to clients",
        json_schema_extra=ui_field_config(order=7, label="Data"),
    )


class Hands(LandmarkPipeline):
    """Follows each hand by its points; palms are looked for when one is missing."""

    def __init__(
        self, *, device: torch.device, components: object | None = None, **settings: Any
    ) -> None:
        super().__init__(device=device, components=components, **settings)
        self._net = hand_net.HandNet(networks_of(components))
        self._tracker = Tracker(self._regions, self._net.look, DETECT_EVERY)
        self._right: dict[int, float] = {}
        self._min_score = 0.5

    @classmethod
    def get_config_class(cls) -> type[HandsConfig]:
        return HandsConfig

    def _forget(self) -> None:
        self._tracker.reset()

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        picture = self._picture_of(kwargs)
        self._min_score = kwargs["min_score"]
        cutoffs = smoothing_hz(kwargs["smoothing"])
        tracks = self._tracker(picture, kwargs["max_hands"], *cutoffs)
        hands = [(track, self._hand_of(track, kwargs["mirrored"])) for track in tracks]
        self._right = {track.id: self._right[track.id] for track in tracks}
        drawn = picture.copy()
        for track, (name, _) in hands:
            _draw(drawn, track.points, kwargs["effect"], name if kwargs["labels"] else "")
        result: dict[str, Any] = {"video": to_tensor(drawn, self.device)}
        if kwargs["send_data"]:
            result["data"] = {"hands": [_describe(*hand, picture) for hand in hands]}
        return result

    def _regions(self, picture: np.ndarray) -> list[Region]:
        found = self._net.detect(picture, self._min_score)
        return regions_of(found, hand_net.region_of_detection)

    def _hand_of(self, track: Track, mirrored: bool) -> tuple[str, float]:
        """``left`` or ``right``, and how sure that is, over some frames."""
        extra = track.sighting.extra
        seen = extra if isinstance(extra, float) else 0.5
        mean = self._right.get(track.id, seen)
        self._right[track.id] = mean = mean + HANDEDNESS_SHARE * (seen - mean)
        right = 1 - mean if mirrored else mean
        return ("right", right) if right >= 0.5 else ("left", 1 - right)


def _draw(picture: np.ndarray, points: np.ndarray, effect: str, label: str) -> None:
    if effect == "none":
        return
    width = line_width(picture)
    if effect == "skeleton":
        draw_lines(picture, points, PALM_LINES, PALM_COLOUR, width)
        for finger, colour in enumerate(FINGER_COLOURS):
            first = 1 + 4 * finger
            lines = [(at, at + 1) for at in range(first, first + 3)]
            draw_lines(picture, points, lines, colour, width)
    draw_dots(picture, points, DOT_COLOUR, width)
    if label:
        x, y = points[0, :2].clip(-1e4, 1e4)
        write(picture, label, (round(x) + 4 * width, round(y) + 8 * width), DOT_COLOUR, width)


def _describe(track: Track, hand: tuple[str, float], picture: np.ndarray) -> dict[str, Any]:
    """One hand of the data that ``docs/pipelines/landmarks.md`` shows."""
    points = relative(track.points, picture).tolist()
    return {
        "id": track.id,
        "score": round(track.sighting.score, 3),
        "hand": hand[0],
        "hand_score": round(hand[1], 3),
        "points": dict(zip(hand_net.NAMES, points, strict=True)),
    }


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Hands)
