"""Faces: where they are, and 468 points on each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lightmill.pipelines.neural.detector import Detection, Detector, DetectorShape, normalise
from lightmill.pipelines.neural.litert import Network
from lightmill.pipelines.neural.model_files import mediapipe_file
from lightmill.pipelines.neural.region import Region, bounding_region, direction
from lightmill.pipelines.neural.tracking import Sighting

# Input sizes, strides, ranges and how far a region reaches around a face: MediaPipe's published
# model cards and graphs of BlazeFace (short and full range) and Face Mesh.
NEAR = DetectorShape(128, (8, 16, 16, 16), darkest=-1.0)
FAR = DetectorShape(192, (4,), darkest=-1.0, per_layer=1)
MESH_PX = 192
N_POINTS = 468
REACH = 1.5
MIN_PRESENCE = 0.5
RIGHT_EYE, LEFT_EYE = 0, 1
"""Key points of a detection."""
RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263
"""Points of the mesh."""

ARTIFACTS = [
    mediapipe_file(
        "face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        229_714,
    ),
    mediapipe_file(
        "face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        676_746,
    ),
    mediapipe_file(
        "face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        1_242_398,
    ),
]


class FaceNet:
    """One session's interpreters."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        def run(name: str) -> Detector:
            shape = NEAR if "short" in name else FAR
            return Detector(networks[name].interpreter().invoke, shape)

        near, far, mesh = (artifact.names[0] for artifact in ARTIFACTS)
        self._near, self._far = run(near), run(far)
        self._mesh = networks[mesh].interpreter()

    def detect(self, picture: np.ndarray, min_score: float, *, far: bool) -> list[Detection]:
        """Faces in ``(H, W, 3)``; ``far`` finds those that fill less than a fifth of it, too."""
        return (self._far if far else self._near)(picture, min_score)

    def look(self, picture: np.ndarray, region: Region) -> Sighting | None:
        """The points of the face in ``region``, or ``None`` without one."""
        cut = region.crop(picture, MESH_PX)
        outputs = sorted(self._mesh.invoke(normalise(cut)), key=lambda output: output.size)
        presence, points = outputs[0].item(), outputs[1].reshape(N_POINTS, 3)
        score = 1 / (1 + np.exp(-np.clip(presence, -80, 80)))
        if not score >= MIN_PRESENCE or not np.isfinite(points).all():
            return None
        placed = region.back(points, MESH_PX)
        return Sighting(placed, float(score), region_of_points(placed))

    def mean_face(self) -> np.ndarray:
        """``(468, 3)``: what the mesh network thinks of when it sees nothing, a face from the front."""
        gray = np.full((1, MESH_PX, MESH_PX, 3), 0.5, np.float32)
        return max(self._mesh.invoke(gray), key=lambda output: output.size).reshape(N_POINTS, 3)


def region_of_detection(found: Detection) -> Region:
    """The square that the mesh network wants, turned so that the eyes are level."""
    angle = direction(found.keypoints[RIGHT_EYE], found.keypoints[LEFT_EYE])
    x, y = (found.box[:2] + found.box[2:]) / 2
    size = float((found.box[2:] - found.box[:2]).max())
    return Region(float(x), float(y), size, angle).scaled(REACH)


def region_of_points(points: np.ndarray) -> Region:
    """Where the face of these points will be in the next frame."""
    angle = direction(points[RIGHT_EYE_CORNER], points[LEFT_EYE_CORNER])
    return bounding_region(points, angle).scaled(REACH)
