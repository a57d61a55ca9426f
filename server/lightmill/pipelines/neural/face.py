"""Faces: a mesh, outlines or boxes over them, or covered so that nobody is recognised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.metrics import Throttle
from lightmill.pipelines.artifacts import Artifact
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.neural import face_lines, face_net
from lightmill.pipelines.neural.cover import Cover
from lightmill.pipelines.neural.detector import Detection
from lightmill.pipelines.neural.drawing import draw_box, draw_dots, draw_lines, line_width
from lightmill.pipelines.neural.frames import (
    relative,
    relative_box,
    smoothing_hz,
    to_tensor,
)
from lightmill.pipelines.neural.hiding import hide, hide_all
from lightmill.pipelines.neural.landmarks import LandmarkPipeline
from lightmill.pipelines.neural.model_files import networks_of
from lightmill.pipelines.neural.region import Region
from lightmill.pipelines.neural.tracking import Track, Tracker, regions_of
from lightmill.pipelines.opencv import cv2

logger = logging.getLogger(__name__)

PRIVACY = ("blur", "pixelate", "solid")
DOUBTFUL_SCORE = 0.3
"""Hiding: so little is enough where the mesh network, too, sees a face."""
DETECT_EVERY = 5
"""Frames between looks for further faces while some are followed."""
FAR_EVERY = 4
"""Looks for near faces for one that also finds the far ones; it takes three times as long."""
MESH_COLOUR, FEATURE_COLOUR = (120, 200, 170), (240, 255, 250)


class FaceConfig(BasePipelineConfig):
    """What is drawn over faces, or what hides them, and what is sent about them."""

    pipeline_id: ClassVar[str] = "face"
    pipeline_name: ClassVar[str] = "Face"
    pipeline_description: ClassVar[str] = (
        "Finds faces: draws a mesh over them, or blurs or pixelates them for privacy."
    )
    artifacts: ClassVar[list[Artifact]] = [*face_net.ARTIFACTS]
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    fails_closed: ClassVar[bool] = True
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "anonymous": {"effect": "pixelate", "margin": 0.3, "hold_s": 5, "send_data": "off"},
        "soft": {"effect": "blur"},
        "outline": {"effect": "features"},
    }

    effect: Literal["mesh", "features", "points", "box", "none", "blur", "pixelate", "solid"] = (
        Field(
            default="mesh",
            description="Drawn over faces; blur, pixelate and solid hide them",
            json_schema_extra=ui_field_config(order=1, label="Effect"),
        )
    )
    max_faces: int = Field(
        default=2,
        ge=1,
        le=8,
        description="Faces with a mesh; hiding hides all that are found",
        json_schema_extra=ui_field_config(order=2, label="Most faces"),
    )
    min_score: float = Field(
        default=0.5,
        ge=0.1,
        le=0.9,
        description="Less sure finds do not count, unless the mesh fits",
        json_schema_extra=ui_field_config(order=3, label="Least score"),
    )
    smoothing: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Steadies what is drawn; more lags more",
        json_schema_extra=ui_field_config(order=4, label="Smoothing"),
    )
    coarse_blocks: int = Field(
        default=6,
        ge=3,
        le=16,
        description="Hiding: colours that stay across a face; fewer hide more",
        json_schema_extra=ui_field_config(order=5, label="Blocks", component="privacy"),
    )
    margin: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="Hiding: how far it reaches beyond the face, as a share of its size",
        json_schema_extra=ui_field_config(order=6, label="Margin", component="privacy"),
    )
    hold_s: float = Field(
        default=2.0,
        ge=0,
        le=30,
        description="Hiding: seconds that the place of a lost face stays hidden, and grows",
        json_schema_extra=ui_field_config(order=7, label="Hold", component="privacy"),
    )
    cover_until_seen: bool = Field(
        default=True,
        description="Hiding: hide the whole picture until the first face is found",
        json_schema_extra=ui_field_config(order=8, label="Cover until seen", component="privacy"),
    )
    send_data: Literal["off", "boxes", "points"] = Field(
        default="boxes",
        description="Sent to clients: boxes with named points, or all 468 points, too",
        json_schema_extra=ui_field_config(order=9, label="Data"),
    )


class Face(LandmarkPipeline):
    """Follows faces by their mesh; while it hides them, detectors look at every frame as well."""

    def __init__(
        self, *, device: torch.device, components: object | None = None, **settings: Any
    ) -> None:
        super().__init__(device=device, components=components, **settings)
        self._net = face_net.FaceNet(networks_of(components))
        self._tracker = Tracker(self._regions, self._net.look, DETECT_EVERY)
        self._cover = Cover()
        self._looks = 0
        self._min_score = 0.5
        self._found: list[Detection] | None = None
        self._mesh: face_lines.Lines = ()
        self._throttle = Throttle()

    @classmethod
    def get_config_class(cls) -> type[FaceConfig]:
        return FaceConfig

    def _forget(self) -> None:
        self._tracker.reset()
        self._cover = Cover()

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        picture = self._picture_of(kwargs)
        if kwargs["effect"] in PRIVACY:
            tracks, drawn = self._hide(picture, kwargs)
        else:
            tracks = self._follow(picture, kwargs)
            drawn = self._draw(picture, tracks, kwargs["effect"])
        result: dict[str, Any] = {"video": to_tensor(drawn, self.device)}
        if kwargs["send_data"] != "off":
            every_point = kwargs["send_data"] == "points"
            result["data"] = {"faces": [_describe(each, picture, every_point) for each in tracks]}
        return result

    def _follow(self, picture: np.ndarray, settings: dict[str, Any]) -> list[Track]:
        self._min_score = settings["min_score"]
        return self._tracker(picture, settings["max_faces"], *smoothing_hz(settings["smoothing"]))

    def _regions(self, picture: np.ndarray) -> list[Region]:
        found = self._found if self._found is not None else self._detect(picture)
        return regions_of(found, face_net.region_of_detection)

    def _detect(self, picture: np.ndarray) -> list[Detection]:
        """Near faces, and every few looks the far ones, too."""
        self._looks += 1
        found = self._net.detect(picture, self._min_score, far=False)
        if self._looks % FAR_EVERY == 1:
            found += self._net.detect(picture, self._min_score, far=True)
        return sorted(found, key=lambda each: -each.score)

    def _hide(
        self, picture: np.ndarray, settings: dict[str, Any]
    ) -> tuple[list[Track], np.ndarray]:
        """A failure of a network hides everything; so does a picture with too many faces."""
        hidden = picture.copy()
        how, blocks = settings["effect"], settings["coarse_blocks"]
        try:
            tracks, boxes = self._everything(picture, settings)
        except (RuntimeError, ValueError):
            if self._throttle.ready(monotonic()):
                logger.exception("face: a network failed; the whole picture is hidden")
            self._tracker.reset()
            hide_all(hidden, how, blocks)
            return [], hidden
        areas = self._cover.update(boxes, monotonic(), settings["hold_s"])
        if self._cover.overflows or (settings["cover_until_seen"] and not self._cover.seen):
            hide_all(hidden, how, blocks)
        else:
            hide(hidden, areas, how, blocks)
        return tracks, hidden

    def _everything(
        self, picture: np.ndarray, settings: dict[str, Any]
    ) -> tuple[list[Track], list[np.ndarray]]:
        """Followed faces, and the boxes of these and of all that a detector found."""
        self._min_score = min(settings["min_score"], DOUBTFUL_SCORE)
        self._found = self._detect(picture)
        try:
            tracks = self._tracker(
                picture, settings["max_faces"], *smoothing_hz(settings["smoothing"])
            )
        finally:
            found, self._found = self._found, None
        # What was seen, not what was smoothed: the eye may lag, the cover must not.
        boxes = [_box_of(track.sighting.points) for track in tracks]
        boxes += [each.box for each in found if each.score >= settings["min_score"]]
        return tracks, [_widened(box, settings["margin"]) for box in boxes]

    def _draw_net(self, picture: np.ndarray, points: np.ndarray) -> None:
        """Half transparent, so that a small face does not drown in it."""
        self._mesh = self._mesh or face_lines.net_over(self._net.mean_face())
        size = picture.shape[1], picture.shape[0]
        low = np.clip(points[:, :2].min(axis=0) - 2, 0, size).astype(int)
        high = np.clip(points[:, :2].max(axis=0) + 3, 0, size).astype(int)
        part = picture[low[1] : high[1], low[0] : high[0]]
        if part.size:
            lined = part.copy()
            draw_lines(lined, points[:, :2] - low, self._mesh, MESH_COLOUR, 1)
            cv2.addWeighted(part, 0.5, lined, 0.5, 0, dst=part)

    def _draw(self, picture: np.ndarray, tracks: list[Track], effect: str) -> np.ndarray:
        drawn = picture.copy()
        width = line_width(picture)
        for track in tracks:
            if effect == "mesh":
                self._draw_net(drawn, track.points)
            if effect in ("mesh", "features"):
                draw_lines(
                    drawn, track.points, face_lines.walk(), FEATURE_COLOUR, max(width // 2, 1)
                )
            elif effect == "points":
                draw_dots(drawn, track.points, FEATURE_COLOUR, max(width // 2, 1))
            elif effect == "box":
                label = f"{track.id}  {track.sighting.score:.2f}"
                draw_box(drawn, _box_of(track.points), label, FEATURE_COLOUR, width)
        return drawn


def _box_of(points: np.ndarray) -> np.ndarray:
    return np.concatenate((points[:, :2].min(axis=0), points[:, :2].max(axis=0)))


def _widened(box: np.ndarray, margin: float) -> np.ndarray:
    reach = (box[2:] - box[:2]) * margin
    return np.concatenate((box[:2] - reach, box[2:] + reach))


def _describe(track: Track, picture: np.ndarray, every_point: bool) -> dict[str, Any]:
    """One face of the data that ``docs/pipelines/landmarks.md`` shows."""
    points = relative(track.points[:, :2], picture)
    face: dict[str, Any] = {
        "id": track.id,
        "score": round(track.sighting.score, 3),
        "box": relative_box(_box_of(track.points), picture),
        "points": {name: points[at].tolist() for name, at in face_lines.NAMED_POINTS.items()},
    }
    if every_point:
        face["mesh"] = points.tolist()
    return face


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Face)
