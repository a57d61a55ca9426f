"""Decoding boxes, joining those of one thing, and letterboxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.pipelines.neural.anchors import anchor_centres
from lightmill.pipelines.neural.detector import (
    Detector,
    DetectorShape,
    decode,
    letterbox,
    merge,
    overlaps,
)

SHAPE = DetectorShape(128, (8, 16, 16, 16), darkest=-1.0)
CENTRES = anchor_centres(128, SHAPE.strides)


def outputs_for(box, anchor=400, score=4.0):
    """What a network says that sees ``box``, in pixels of its input, with one key point in its middle."""
    x0, y0, x1, y1 = box
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - CENTRES[anchor] * 128
    values = np.zeros((1, 896, 6), np.float32)
    logits = np.full((1, 896, 1), -9, np.float32)
    values[0, anchor] = (*middle, x1 - x0, y1 - y0, *middle)
    logits[0, anchor] = score
    return values, logits


coordinate = st.floats(5, 120, width=32)


@given(coordinate, coordinate, st.floats(1, 60, width=32), st.integers(0, 895))
def test_decoding_undoes_what_the_network_encodes(x, y, size, anchor):
    box = (x - size, y - size / 2, x + size, y + size / 2)
    values, logits = outputs_for(box, anchor)
    rows, scores = decode(values[0], logits[0, :, 0], CENTRES, 128, 0.5)
    assert rows[0] == pytest.approx([*box, x, y], abs=1e-3)
    assert scores == pytest.approx([1 / (1 + np.exp(-4))])


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (128, 128), (31, 97)])
def test_a_detection_comes_back_in_pixels_of_the_picture(height, width):
    seen = {}

    def run(square):
        seen["low"], seen["high"] = square.min(), square.max()
        scale = 128 / max(height, width)
        left = (128 - round(width * scale)) // 2
        top = (128 - round(height * scale)) // 2
        return list(outputs_for((left + 8, top + 8, left + 24, top + 16)))

    picture = np.full((height, width, 3), 255, np.uint8)
    (found,) = Detector(run, SHAPE)(picture, 0.5)
    scale = max(height, width) / 128
    assert found.box == pytest.approx(np.array([8, 8, 24, 16]) * scale, abs=0.1)
    assert found.keypoints[0] == pytest.approx(np.array([16, 12]) * scale, abs=0.1)
    assert seen["high"] == 1 and seen["low"] == (1 if height == width else -1)


def test_nothing_and_garbage_are_not_found():
    values, logits = outputs_for((8, 8, 24, 16))
    values[0, 400, 2] = np.nan
    picture = np.zeros((64, 64, 3), np.uint8)
    assert Detector(lambda _: [values, logits], SHAPE)(picture, 0.5) == []
    assert Detector(lambda _: [values * 0, logits * 0 - 9], SHAPE)(picture, 0.5) == []


boxes = st.lists(
    st.tuples(coordinate, coordinate, st.floats(1, 40), st.floats(1, 40), st.floats(0.5, 1)),
    max_size=12,
)


@given(boxes)
def test_joined_boxes_stand_apart_or_were_joined_and_lie_within_what_was_found(found):
    rows = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([each[4] for each in found], np.float32)
    joined, best = merge(rows, scores)
    assert len(joined) <= len(rows) and (len(joined) > 0) == (len(rows) > 0)
    assert (np.diff(best) <= 0).all()
    if len(rows):
        assert best[0] == scores.max()
        assert (joined >= rows.min(axis=0) - 1e-3).all() and (
            joined <= rows.max(axis=0) + 1e-3
        ).all()


def test_two_views_of_one_thing_become_their_mean_and_others_stay():
    rows = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    joined, best = merge(rows, np.array([0.6, 0.6, 0.9], np.float32))
    assert joined.tolist() == [[50, 50, 60, 60], [1, 0, 11, 10]] and best.tolist() == pytest.approx(
        [0.9, 0.6]
    )


def test_overlap_is_symmetric_and_zero_apart():
    a, b = np.array([0, 0, 10, 10.0]), np.array([5, 0, 15, 10.0])
    assert overlaps(a, b[None])[0] == overlaps(b, a[None])[0] == pytest.approx(1 / 3)
    assert overlaps(a, np.array([[20, 20, 30, 30.0], [3, 3, 3, 3]])).tolist() == [0, 0]


def test_a_letterbox_keeps_the_aspect():
    square, scale, left, top = letterbox(np.full((480, 640, 3), 200, np.uint8), 128)
    assert (scale, left, top) == (0.2, 0, 16)
    assert square[15].max() == 0 and square[16:112].min() == 200 and square[112:].max() == 0
