"""Covers fail safe: they grow at once, shrink slowly, outlive their face, and never trust too many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.pipelines.neural.cover import MAX_AREAS, Cover

FACE = np.array([100, 100, 200, 200.0])


def holds(area, box):
    return (area[:2] <= box[:2] + 1e-6).all() and (area[2:] >= box[2:] - 1e-6).all()


boxes = st.builds(
    lambda x, y, w, h: np.array([x, y, x + w, y + h]),
    st.floats(0, 500), st.floats(0, 400), st.floats(10, 200), st.floats(10, 200),
)  # fmt: skip


@given(st.lists(st.lists(boxes, max_size=3), min_size=1, max_size=8))
def test_every_face_that_is_seen_is_covered_whole(frames):
    cover = Cover()
    for number, faces in enumerate(frames):
        areas = cover.update(faces, number / 30, 1.0)
        for face in faces:
            assert any(holds(area, face) for area in areas)


def test_a_lost_face_stays_covered_and_the_cover_grows_until_the_hold_ends():
    cover = Cover()
    cover.update([FACE], 0.0, 1.0)
    sizes = []
    for frame in range(1, 45):
        areas = cover.update([], frame / 30, 1.0)
        if frame <= 30:
            assert holds(areas[0], FACE)
            sizes.append(areas[0][2] - areas[0][0])
    assert (np.diff(sizes) > 0).all() and sizes[-1] == pytest.approx(150, abs=1)
    assert areas == []


def test_a_pause_of_the_video_does_not_uncover():
    cover = Cover()
    cover.update([FACE], 0.0, 1.0)
    assert len(cover.update([], 60.0, 1.0)) == 1


def test_a_small_box_does_not_shrink_the_cover_at_once():
    cover = Cover()
    cover.update([FACE], 0.0, 1.0)
    half = np.array([100, 100, 180, 180.0])
    (area,) = cover.update([half], 1 / 30, 1.0)
    assert area[2] > 185
    for frame in range(2, 60):
        (area,) = cover.update([half], frame / 30, 1.0)
    assert area == pytest.approx(half, abs=2)


def test_too_many_faces_and_none_ever_are_told():
    cover = Cover()
    assert not cover.seen and cover.update([], 0.0, 1.0) == []
    many = [np.array([x * 50, 0, x * 50 + 20, 20.0]) for x in range(MAX_AREAS + 1)]
    cover.update(many, 0.1, 1.0)
    assert cover.seen and cover.overflows
