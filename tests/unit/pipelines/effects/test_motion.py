import numpy as np
import pytest

from lightmill.pipelines.effects.motion import Flow, difference, shrink_factor, small_gray, warped
from tests.unit.pipelines.effects.seeing import moved, texture

LARGE = texture(480, 640)


@pytest.mark.parametrize("quality", ["fast", "fine"])
@pytest.mark.parametrize("way", [(3, 0), (-2, 5), (0, -4)])
def test_flow_says_where_things_went(quality, way):
    before, after = (moved(LARGE, *(part * step for part in way))[..., 1].copy() for step in (0, 1))
    flow = Flow(quality).between(before, after)
    assert np.abs(np.median(flow.reshape(-1, 2), axis=0) - way).max() < 0.3


def test_warping_by_the_flow_takes_the_motion_out():
    before, after = (moved(LARGE, 5 * step, 0)[..., 1].copy() for step in (0, 1))
    flow = Flow("fine").between(before, after)
    assert difference(before, warped(after, flow, 1)) < difference(before, after) / 5


def test_tiny_pictures_do_not_move():
    assert Flow("fast").between(np.zeros((8, 90), np.uint8), np.ones((8, 90), np.uint8)).max() == 0


def test_motion_is_looked_for_in_about_240_lines():
    assert [shrink_factor(height) for height in (1, 240, 480, 720, 1080, 2160)] == [
        1,
        1,
        2,
        3,
        4,
        9,
    ]
    assert small_gray(np.zeros((1080, 1920, 3), np.uint8)).shape == (270, 480)
