from itertools import pairwise

import cv2
import numpy as np
import pytest

from lightmill.pipelines.effects.stabilise import largest_share, move
from tests.unit.pipelines.effects.seeing import (
    Show,
    as_seen,
    distance,
    gray_of,
    moved,
    show,
    texture,
)

LARGE = texture(480, 640)


def shaken(count=40, seed=4, pan=0.0):
    dice = np.random.default_rng(seed)
    shakes = zip(*dice.normal(0, (4, 4, 0.5), (count, 3)).T, strict=True)
    return [moved(LARGE, x + pan * step, y, angle) for step, (x, y, angle) in enumerate(shakes)]


def unrest(frames):
    """How far pictures jump from one to the next, in pixels: the spread of their motion."""
    steps = []
    gray = [np.ascontiguousarray(frame[..., 1]) for frame in frames]
    for before, after in pairwise(gray):
        points = cv2.goodFeaturesToTrack(before, 100, 0.01, 8)
        found, status, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None)
        steps.append(np.median((found - points)[status == 1], axis=0))
    return float(np.std(steps, axis=0).max())


def test_a_shaking_camera_is_held_still():
    frames = shaken()
    made = Show("stabilise", crop=0.2)(*frames)
    assert unrest(made[10:]) < unrest(frames[10:]) / 4


def test_a_pan_is_followed():
    frames = shaken(count=60, pan=1.0)
    made = Show("stabilise", crop=0.2)(*frames)
    assert unrest(made[20:]) < unrest(frames[20:]) / 2
    still = show("stabilise", frames[-1], crop=0.2)[0]
    # It has gone along with the camera, up to the room that the crop leaves: 10 % of 320.
    assert distance(made[-1], still) > 0
    assert distance(moved(made[-1], 0, 0, height=60, width=80), made[0][90:150, 120:200]) > 10


def test_no_border_is_ever_empty():
    frames = [gray_of(np.maximum(frame, 40)) for frame in shaken()]
    for step, made in enumerate(Show("stabilise", crop=0.05)(*frames)):
        edges = np.concatenate([made[0], made[-1], made[:, 0], made[:, -1]]).astype(int)
        assert edges.min() >= 36 and np.ptp(edges, axis=1).max() <= 4, step


def test_the_edge_is_never_smeared():
    """Far more shaking than there is room: what is shown is still a part of the picture."""
    dice = np.random.default_rng(1)
    ways = dice.integers(-30, 30, (20, 2)).tolist()
    frames = [gray_of(np.roll(texture(240, 320), way, axis=(0, 1))) for way in ways]
    for made in Show("stabilise", crop=0.05)(*frames):
        for edge, beside in ((0, 2), (-1, -3)):
            assert distance(made[edge], made[beside]) > 1
            assert distance(made[:, edge], made[:, beside]) > 1


def test_crop_enlarges_and_no_crop_holds_nothing():
    picture = texture()
    assert distance(show("stabilise", picture, crop=0)[0], as_seen(picture)) < 1
    made = show("stabilise", picture, crop=0.2)[0]
    expected = cv2.resize(picture[24:216, 32:288], (320, 240))
    assert distance(made, expected) < 6


def test_a_cut_starts_anew():
    first, second = shaken(20), texture(240, 320, seed=77)
    made = Show("stabilise", crop=0.1)(*first, second)
    assert distance(made[-1], show("stabilise", second, crop=0.1)[0]) < 0.5


def test_a_plain_wall_is_let_through():
    walls = [np.full((240, 320, 3), 90, np.uint8)] * 3
    assert all(np.abs(made.astype(int) - 90).max() <= 2 for made in Show("stabilise")(*walls))


@pytest.mark.parametrize(
    "wanted", [(300.0, 0, 0, 0), (0, -40, 0.2, 0), (5, 5, 3.0, 0.5), (1, 1, 0, 0)]
)
def test_the_largest_share_leaves_no_corner_empty(wanted):
    way = np.array(wanted)
    share = largest_share(way, 1.25, 320, 240, 1)
    white = np.full((240, 320), 255, np.uint8)
    made = cv2.warpAffine(white, move(way * share, 1.25, 320, 240, 1), (320, 240))
    assert made.min() == 255
    assert 0 <= share <= 1 and (wanted != (1, 1, 0, 0) or share == 1)
