"""A hand in a real picture: its points, and which one it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lightmill.pipelines.neural import hand_net
from lightmill.pipelines.neural.hands import Hands
from tests.models import POINTING, make, picture_of, show

MEASURED = {  # x, y and radius in pixels of 480x640, by hand
    "index_tip": (215, 108, 22),
    "index_pip": (212, 248, 32),
    "index_mcp": (200, 365, 45),
    "thumb_tip": (352, 320, 30),
    "wrist": (240, 560, 50),
}


@pytest.fixture(scope="module")
def pointing():
    return picture_of(POINTING)


def one_hand(picture, **settings):
    pipeline, values = make(Hands, **settings)
    for number in range(3):
        drawn, data = show(pipeline, values, picture, first=number == 0)
    (hand,) = data["hands"]
    return drawn, hand


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_joints_lie_in_circles_drawn_by_hand_however_the_hand_is_turned(pointing, turns):
    turned = np.ascontiguousarray(np.rot90(pointing, turns))
    _, hand = one_hand(turned)
    height, width = turned.shape[:2]
    for name, (x, y, radius) in MEASURED.items():
        seen = np.array(hand["points"][name][:2]) * (width, height)
        assert math.dist(_unturned(seen, turns), (x, y)) < radius, name


def _unturned(point, turns):
    """Where a point of the picture turned by ``turns`` quarters was before."""
    x, y = point
    return [(x, y), (480 - y, x), (480 - x, 640 - y), (y, 640 - x)][turns]


def test_left_is_left_and_a_mirrored_picture_is_told(pointing):
    _, hand = one_hand(pointing)
    assert hand["hand"] == "left" and hand["hand_score"] > 0.6
    _, mirrored = one_hand(pointing, mirrored=True)
    assert mirrored["hand"] == "right"
    assert list(hand["points"]) == list(hand_net.NAMES) and len(hand_net.NAMES) == 21


def test_the_skeleton_is_drawn_on_the_hand_only(pointing):
    drawn, _ = one_hand(pointing)
    rows, columns = np.nonzero((drawn != pointing).any(axis=-1))
    assert len(rows) > 300 and rows.min() > 60 and columns.min() > 120 and columns.max() < 420
    same, _ = one_hand(pointing, effect="none", labels=False)
    assert (same == pointing).all()


def test_nothing_is_nothing():
    pipeline, values = make(Hands)
    gray = np.full((240, 320, 3), 128, np.uint8)
    drawn, data = show(pipeline, values, gray, first=True)
    assert data == {"hands": []} and (drawn == gray).all()
