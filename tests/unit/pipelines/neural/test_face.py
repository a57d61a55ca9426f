"""Faces in real pictures: found where they are, hidden for real, and hidden in doubt."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lightmill.pipelines.neural import face, face_lines
from lightmill.pipelines.neural.detector import overlaps
from lightmill.pipelines.neural.face import Face
from tests.artifact_files import CARPHONE
from tests.models import ASTRONAUT, frames_of, make, picture_of, show

HER_FACE = np.array([178, 71, 273, 178.0])
"""Brows to chin, ear to ear, measured by hand."""
INSIDE = np.s_[85:170, 190:260]
NOTHING = np.full((512, 512, 3), 120, np.uint8)


@pytest.fixture(scope="module")
def astronaut():
    return picture_of(ASTRONAUT)


def box_of(data):
    (one,) = data["faces"]
    return np.array(one["box"]) * 512


def test_the_box_covers_a_box_measured_by_hand(astronaut):
    pipeline, values = make(Face, effect="box")
    drawn, data = show(pipeline, values, astronaut, first=True)
    assert overlaps(HER_FACE, box_of(data)[None])[0] > 0.8
    assert (drawn != astronaut).any() and (drawn[300:] == astronaut[300:]).all()
    points = {name: np.array(at) * 512 for name, at in data["faces"][0]["points"].items()}
    assert points["right_eye"][0] < points["nose"][0] < points["left_eye"][0]
    assert points["nose"] == pytest.approx([223, 131], abs=8)
    assert points["chin"] == pytest.approx([221, 177], abs=8)


@pytest.mark.parametrize("effect", ["mesh", "features", "points"])
def test_drawings_stay_on_the_face(astronaut, effect):
    pipeline, values = make(Face, effect=effect)
    drawn, _ = show(pipeline, values, astronaut, first=True)
    rows, columns = np.nonzero((drawn != astronaut).any(axis=-1))
    assert len(rows) > 100
    assert rows.min() > 60 and rows.max() < 190 and columns.min() > 165 and columns.max() < 285


@pytest.mark.parametrize("effect", face.PRIVACY)
def test_hiding_leaves_nothing_of_the_face_and_all_of_the_rest(astronaut, effect):
    pipeline, values = make(Face, effect=effect)
    hidden, _ = show(pipeline, values, astronaut, first=True)
    before, after = astronaut[INSIDE].astype(int), hidden[INSIDE].astype(int)
    changed = np.abs(before - after).max(axis=-1) > 4
    assert changed.mean() > 0.8
    fine = lambda part: np.abs(np.diff(part.mean(axis=-1), axis=1)).mean()
    assert fine(after) < 0.5 * fine(before)
    assert (hidden[300:] == astronaut[300:]).all()


def test_a_face_that_vanishes_stays_covered(astronaut):
    pipeline, values = make(Face, effect="solid", hold_s=30.0)
    show(pipeline, values, astronaut, first=True)
    for _ in range(20):
        hidden, data = show(pipeline, values, NOTHING)
        assert data["faces"] == [] and (hidden[INSIDE] != NOTHING[INSIDE]).all()
    assert (hidden[400:, :50] == NOTHING[400:, :50]).all()


def test_until_the_first_face_everything_is_covered_unless_told_otherwise(astronaut):
    snow = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    pipeline, values = make(Face, effect="pixelate")
    hidden, _ = show(pipeline, values, snow, first=True)
    assert (hidden != snow).mean() > 0.95
    pipeline, values = make(Face, effect="pixelate", cover_until_seen=False)
    hidden, _ = show(pipeline, values, snow, first=True)
    assert (hidden == snow).mean() > 0.5


def test_a_network_that_fails_covers_everything(astronaut, monkeypatch):
    pipeline, values = make(Face, effect="solid")
    show(pipeline, values, astronaut, first=True)

    def fail(*args, **kwargs):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline._net, "detect", fail)
        hidden, data = show(pipeline, values, astronaut)
        assert len(np.unique(hidden)) == 1 and data == {"faces": []}
    hidden, _ = show(pipeline, values, astronaut)
    assert (hidden[300:] == astronaut[300:]).all() and len(np.unique(hidden[INSIDE])) == 1


def test_a_new_size_or_a_new_stream_is_covered_until_its_first_face(astronaut):
    pipeline, values = make(Face, effect="solid")
    show(pipeline, values, astronaut, first=True)
    other = np.full((240, 320, 3), 90, np.uint8)
    hidden, _ = show(pipeline, values, other)
    assert (hidden != other).all()


def test_a_talking_face_is_seen_in_every_frame_with_one_id():
    pipeline, values = make(Face, effect="none")
    for number, frame in enumerate(frames_of(CARPHONE, range(0, 60, 2))):
        picture, data = show(pipeline, values, frame, first=number == 0)
        assert [each["id"] for each in data["faces"]] == [1]
        assert (picture == frame).all()


def test_data_is_small_and_says_as_much_as_is_asked(astronaut):
    sizes = {}
    for choice in ("off", "boxes", "points"):
        pipeline, values = make(Face, send_data=choice)
        _, data = show(pipeline, values, astronaut, first=True)
        sizes[choice] = len(json.dumps(data, separators=(",", ":")))
        assert (data is None) == (choice == "off")
    assert sizes["boxes"] < 400 and 8 * sizes["points"] < 65_536
    assert len(data["faces"][0]["mesh"]) == 468


def test_the_net_joins_all_points_and_crosses_nowhere():
    generator = np.random.default_rng(5)
    points = generator.uniform(0, 100, (60, 2))
    lines = face_lines.net_over(points)
    assert {number for line in lines for number in line} == set(range(60))
    assert len(lines) <= 3 * 60 - 6  # Euler, for a planar graph
