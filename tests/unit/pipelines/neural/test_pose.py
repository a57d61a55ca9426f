"""A cyclist in a real clip: joints where they are, the background gone, small data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lightmill.pipelines.neural import pose_net
from lightmill.pipelines.neural.pose import Pose
from tests.models import CYCLIST, frames_of, make, show

FRAMES = range(106, 120)
MEASURED = {  # x, y in pixels of 640x272 in frame 115, by hand
    "nose": (428, 49),
    "right_shoulder": (393, 71),
    "left_shoulder": (454, 71),
    "right_elbow": (385, 111),
    "left_elbow": (469, 108),
    "left_wrist": (474, 144),
    "right_hip": (406, 148),
    "left_hip": (440, 148),
    "right_knee": (419, 195),
    "left_knee": (478, 175),
}
RADIUS_PX = 16


@pytest.fixture(scope="module")
def frames():
    return frames_of(CYCLIST, FRAMES)


def play(frames, **settings):
    pipeline, values = make(Pose, **settings)
    return [show(pipeline, values, frame, first=n == 0) for n, frame in enumerate(frames)]


def test_joints_lie_in_circles_drawn_by_hand(frames):
    drawn, data = play(frames)[115 - FRAMES.start]
    (person,) = data["people"]
    for name, place in MEASURED.items():
        x, y, _, visibility = person["points"][name]
        assert math.dist((x * 640, y * 272), place) < RADIUS_PX, name
        assert visibility > 0.5
    frame = frames[115 - FRAMES.start]
    rows, columns = np.nonzero((drawn != frame).any(axis=-1))
    assert len(rows) > 300 and columns.min() > 330 and columns.max() < 520


def test_the_person_stays_and_the_rest_goes_black(frames):
    drawn, _ = play(frames, background="black", effect="none")[-1]
    before = frames[-1]
    assert np.abs(drawn[80:120, 410:440].astype(int) - before[80:120, 410:440]).mean() < 6
    assert drawn[:, :280].max() < 12 and drawn[:, 560:].max() < 12
    dim, _ = play(frames, background="dim", effect="none")[-1]
    assert dim[:, :280].mean() == pytest.approx(before[:, :280].mean() / 4, rel=0.1)


def test_data_names_every_point_once_and_is_small(frames):
    _, data = play(frames[:12])[-1]
    (person,) = data["people"]
    assert tuple(person["points"]) == pose_net.NAMES and len(set(pose_net.NAMES)) == 33
    assert len(json.dumps(data, separators=(",", ":"))) < 2_000
    _, silent = play(frames[:1], send_data=False)[0]
    assert silent is None


def test_nobody_is_nobody_and_all_of_it_is_background():
    gray = np.full((240, 320, 3), 128, np.uint8)
    drawn, data = play([gray], background="black")[0]
    assert data == {"people": []} and drawn.max() == 0
