"""A person: 33 points from head to feet, and a mask of where the person is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightmill.pipelines.neural.detector import Detection, Detector, DetectorShape, normalise
from lightmill.pipelines.neural.litert import Network
from lightmill.pipelines.neural.model_files import mediapipe_file
from lightmill.pipelines.neural.region import Region, upright
from lightmill.pipelines.neural.tracking import Sighting

# Sizes, strides, ranges and reaches: BlazePose (Bazarevsky et al., 2020), its model card and graphs.
PERSON = DetectorShape(224, (8, 16, 32, 32, 32), darkest=-1.0)
POSE_PX = 256
N_POINTS = 33
HIPS, CROWN = 33, 34
"""Points that only the next region is made of: between the hips, and on the circle around all."""
REACH = 2.5
"""The region's size as a multiple of the way from the hips to the circle."""
MIN_PRESENCE = 0.75

_SIDES = ("left", "right")
NAMES = (
    "nose",
    *(f"{side}_eye_{part}" for side in _SIDES for part in ("inner", "middle", "outer")),
    *(f"{side}_ear" for side in _SIDES),
    *(f"mouth_{side}" for side in _SIDES),
    *(
        f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb")
        for side in _SIDES
    ),
    *(f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "heel", "toe") for side in _SIDES),
)
"""The points in the network's order; left is the person's own left."""

ARTIFACTS = [
    mediapipe_file(
        "pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        2_959_046,
    ),
    mediapipe_file(
        "pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        6_440_512,
    ),
]


@dataclass(frozen=True, slots=True)
class Body:
    """``visibility`` ``(33,)`` in [0, 1]; ``mask`` ``(256, 256)`` logits of the region's pixels."""

    visibility: np.ndarray
    region: Region
    mask: np.ndarray


class PoseNet:
    """One session's interpreters."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        person, pose = (networks[artifact.names[0]] for artifact in ARTIFACTS)
        self._people = Detector(person.interpreter().invoke, PERSON)
        self._pose = pose.interpreter()

    def detect(self, picture: np.ndarray, min_score: float) -> list[Detection]:
        return self._people(picture, min_score)

    def look(self, picture: np.ndarray, region: Region) -> Sighting | None:
        """The points of the person in ``region``; ``extra`` is a `Body`."""
        values, presence, mask, _, _ = self._pose.invoke(normalise(region.crop(picture, POSE_PX)))
        rows = values.reshape(-1, 5)  # (39, 5): x, y, z, logits of visibility and presence
        score, placed = presence.item(), region.back(rows[:, :3], POSE_PX)
        if not score >= MIN_PRESENCE or not np.isfinite(placed).all():
            return None
        visibility = 1 / (1 + np.exp(-np.clip(rows[:N_POINTS, 3], -80, 80)))
        body = Body(visibility, region, mask.reshape(POSE_PX, POSE_PX))
        following = _around(placed[HIPS, :2], placed[CROWN, :2])
        return Sighting(placed[:N_POINTS], score, following, body)


def region_of_detection(found: Detection) -> Region:
    """The square that the pose network wants: the whole person, head up."""
    return _around(found.keypoints[0], found.keypoints[1])


def _around(hips: np.ndarray, crown: np.ndarray) -> Region:
    size = REACH * float(np.hypot(*(crown - hips)))
    return Region(float(hips[0]), float(hips[1]), size, upright(hips, crown))
