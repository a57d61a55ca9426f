"""Following things from frame to frame: the slow detector looks only for what is not followed yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lightmill.pipelines.neural.detector import Detection
from lightmill.pipelines.neural.region import Region
from lightmill.pipelines.neural.smoothing import OneEuro

SAME_THING_OVERLAP = 0.4
"""Squares that overlap more follow the same thing."""
MIN_SIZE_PX = 8.0
MAX_FIRST_LOOKS = 2
"""Of one frame at what a detector found: a doubtful find costs as much as a true one."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a landmark network saw in a region: ``points`` ``(N, 3)`` in pixels of the picture."""

    points: np.ndarray
    score: float
    next_region: Region
    extra: object = None


@dataclass(slots=True)
class Track:
    """One thing that is followed. ``id`` is never used twice in a session."""

    id: int
    region: Region
    filter: OneEuro
    sighting: Sighting
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """Smoothed, for the eye; the region follows what was really seen."""


class Tracker:
    """``detect`` gives regions worth a look, ``look`` says what is there or ``None``.

    While something is followed and there is room for more, the detector runs every
    ``detect_every`` frames only: it is what costs. A track whose score is below ``sure`` may be a
    mistake: the detector goes on looking, and what it finds elsewhere takes the place if it is surer.
    """

    def __init__(
        self,
        detect: Callable[[np.ndarray], list[Region]],
        look: Callable[[np.ndarray, Region], Sighting | None],
        detect_every: int,
        sure: float = 0.0,
    ) -> None:
        self.tracks: list[Track] = []
        self._detect = detect
        self._look = look
        self._detect_every = detect_every
        self._sure = sure
        self._until_detection = 0
        self._last_id = 0

    def reset(self) -> None:
        """Forget what was followed."""
        self.tracks = []
        self._until_detection = 0

    def __call__(
        self, picture: np.ndarray, most: int, min_cutoff_hz: float, beta: float
    ) -> list[Track]:
        """What is in ``picture`` ``(H, W, 3)``, at most ``most`` things."""
        seen = [(track, self._look(picture, track.region)) for track in self.tracks]
        self.tracks = []
        for track, sighting in seen:
            self._keep(track, sighting, most)
        if self._detection_due(most):
            found = [each for each in self._detect(picture) if not self._follows(each)]
            for region in found[:MAX_FIRST_LOOKS]:
                self._begin(picture, region, most)
        for track in self.tracks:
            track.filter.min_cutoff_hz, track.filter.beta = min_cutoff_hz, beta
            track.points = track.filter(track.sighting.points, track.sighting.next_region.size)
        return self.tracks

    def _detection_due(self, most: int) -> bool:
        self._until_detection -= 1
        full = len(self.tracks) >= most and self._doubtful() is None
        if self.tracks and (full or self._until_detection > 0):
            return False
        self._until_detection = self._detect_every
        return True

    def _begin(self, picture: np.ndarray, region: Region, most: int) -> None:
        doubtful = self._doubtful()
        if len(self.tracks) >= most and doubtful is None:
            return
        sighting = self._look(picture, region)
        if len(self.tracks) >= most and sighting is not None and doubtful is not None:
            if sighting.score <= doubtful.sighting.score:
                return
            self.tracks.remove(doubtful)
        if sighting is not None:
            self._last_id += 1
            track = Track(self._last_id, region, OneEuro(1.0, 0.0), sighting)
            self._keep(track, sighting, most)

    def _keep(self, track: Track, sighting: Sighting | None, most: int) -> None:
        if sighting is None or sighting.next_region.size < MIN_SIZE_PX:
            return
        if len(self.tracks) >= most or self._follows(sighting.next_region):
            return
        track.sighting, track.region = sighting, sighting.next_region
        self.tracks.append(track)

    def _doubtful(self) -> Track | None:
        least = min(self.tracks, key=lambda track: track.sighting.score, default=None)
        return least if least is not None and least.sighting.score < self._sure else None

    def _follows(self, region: Region) -> bool:
        return any(track.region.overlap(region) > SAME_THING_OVERLAP for track in self.tracks)


def regions_of(
    detections: list[Detection], region_of: Callable[[Detection], Region]
) -> list[Region]:
    """The regions of detections that have a usable size."""
    regions = [region_of(detection) for detection in detections]
    return [region for region in regions if region.size >= MIN_SIZE_PX]
