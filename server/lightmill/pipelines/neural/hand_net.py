"""Hands: palms that a detector finds, 21 points on each hand, and which hand it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lightmill.pipelines.neural.detector import Detection, Detector, DetectorShape, normalise
from lightmill.pipelines.neural.litert import Network
from lightmill.pipelines.neural.model_files import mediapipe_file
from lightmill.pipelines.neural.region import Region, bounding_region, upright
from lightmill.pipelines.neural.tracking import Sighting

# Sizes, strides, ranges and reaches: MediaPipe's published model card and graphs of its hands.
PALM = DetectorShape(192, (8, 16, 16, 16))
HAND_PX = 224
N_POINTS = 21
MIN_PRESENCE = 0.5
PALM_WRIST, PALM_MIDDLE = 0, 2
"""Key points of a palm: the wrist and the root of the middle finger."""
PALM_REACH, PALM_UP = 2.6, 0.5
HAND_REACH, HAND_UP = 2.0, 0.1
STIFF = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
"""Points that bending a finger moves little: the region does not jump with the finger tips."""

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_THUMB_JOINTS, _JOINTS = ("cmc", "mcp", "ip", "tip"), ("mcp", "pip", "dip", "tip")
NAMES = (
    "wrist",
    *(f"thumb_{joint}" for joint in _THUMB_JOINTS),
    *(f"{finger}_{joint}" for finger in FINGERS[1:] for joint in _JOINTS),
)
"""The points in the network's order, from each finger's root to its tip."""

ARTIFACTS = [
    mediapipe_file(
        "palm_detection/palm_detection_lite.tflite",
        "e9a4aaddf90dda56a87235303cf00e4c2d3fb28725f68fd88772997dac905c18",
        1_985_440,
    ),
    mediapipe_file(
        "hand_landmark/hand_landmark_lite.tflite",
        "048edd3645c9bf7397d19a9f6e3a42957d6e414c9bea6598030a2e9b624156e6",
        2_071_597,
    ),
]


class HandNet:
    """One session's interpreters."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        palm, hand = (networks[artifact.names[0]] for artifact in ARTIFACTS)
        self._palms = Detector(palm.interpreter().invoke, PALM)
        self._hand = hand.interpreter()

    def detect(self, picture: np.ndarray, min_score: float) -> list[Detection]:
        return self._palms(picture, min_score)

    def look(self, picture: np.ndarray, region: Region) -> Sighting | None:
        """The points of the hand in ``region``; ``extra`` is how surely it is a right one, in [0, 1]."""
        points, presence, handedness, _ = self._hand.invoke(
            normalise(region.crop(picture, HAND_PX))
        )
        score, placed = presence.item(), region.back(points.reshape(N_POINTS, 3), HAND_PX)
        if not score >= MIN_PRESENCE or not np.isfinite(placed).all():
            return None
        # The network means mirrored pictures when it says "left", so that this is right in others.
        return Sighting(placed, score, region_of_points(placed), handedness.item())


def region_of_detection(found: Detection) -> Region:
    """The square that the hand network wants: fingers up, the whole hand in it."""
    angle = upright(found.keypoints[PALM_WRIST], found.keypoints[PALM_MIDDLE])
    x, y = (found.box[:2] + found.box[2:]) / 2
    size = float((found.box[2:] - found.box[:2]).max())
    return Region(float(x), float(y), size, angle).scaled(PALM_REACH, up=PALM_UP)


def region_of_points(points: np.ndarray) -> Region:
    """Where the hand of these points will be in the next frame."""
    index, middle, ring = points[5, :2], points[9, :2], points[13, :2]
    angle = upright(points[0, :2], ((index + ring) / 2 + middle) / 2)
    return bounding_region(points[STIFF], angle).scaled(HAND_REACH, up=HAND_UP)
