"""Turned squares: what is cut out and brought back is where it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.pipelines.neural.region import Region, bounding_region, direction, upright

regions = st.builds(
    Region, st.floats(-50, 700), st.floats(-50, 500), st.floats(8, 900), st.floats(-3.1, 3.1)
)


@given(regions, st.lists(st.tuples(st.floats(0, 192), st.floats(0, 192)), min_size=1, max_size=8))
def test_points_go_there_and_back(region, points):
    points = np.array(points)
    matrix = np.vstack((region.matrix(192), [0, 0, 1]))
    there = region.back(points, 192)
    back = np.linalg.inv(matrix) @ np.column_stack((there, np.ones(len(there)))).T
    assert back[:2].T == pytest.approx(points, abs=0.05)


@given(regions)
def test_the_middle_stays_and_the_corners_are_half_a_diagonal_away(region):
    corners = region.back(np.array([[96, 96], [0, 0], [192, 192.0]]), 192)
    assert corners[0] == pytest.approx([region.x, region.y], abs=1e-2)
    for corner in corners[1:]:
        away = math.dist(corner, (region.x, region.y))
        assert away == pytest.approx(region.size / math.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.6, math.pi / 2, -2.0])
def test_a_dot_is_found_in_the_cut_where_the_numbers_say(angle):
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[138:143, 228:233] = 255  # its middle is at (230.5, 140.5)
    region = Region(220, 150, 128, angle)
    cut = region.crop(picture, 64)[..., 0].astype(float)
    rows, columns = np.indices(cut.shape) + 0.5
    seen = np.array([[(columns * cut).sum(), (rows * cut).sum()]]) / cut.sum()
    assert region.back(seen, 64)[0] == pytest.approx([230.5, 140.5], abs=0.3)


def test_a_mask_comes_back_to_its_place():
    region = Region(220, 150, 128, 0.6)
    mask = np.zeros((64, 64), np.float32)
    mask[20:24, 40:44] = 1
    spread = region.spread(mask, 300, 400)
    rows, columns = np.indices(spread.shape) + 0.5
    seen = np.array([(columns * spread).sum(), (rows * spread).sum()]) / spread.sum()
    assert seen == pytest.approx(region.back(np.array([[42.0, 22.0]]), 64)[0], abs=0.3)


@given(
    st.lists(st.tuples(st.floats(0, 99), st.floats(0, 99)), min_size=2, max_size=9),
    st.floats(-3, 3),
)
def test_a_bounding_region_holds_its_points(points, angle):
    region = bounding_region(np.array(points), angle)
    matrix = np.vstack((region.scaled(1.001).matrix(2), [0, 0, 1]))
    if region.size < 1e-3:
        return
    inside = np.linalg.inv(matrix) @ np.column_stack((points, np.ones(len(points)))).T
    assert inside[:2].min() >= -0.01 and inside[:2].max() <= 2.01


def test_angles_and_ups_are_those_of_the_picture():
    right, down, up = np.array([1, 0]), np.array([0, 1]), np.array([0, -1])
    zero = np.zeros(2)
    assert direction(zero, right) == 0 and direction(zero, down) == pytest.approx(math.pi / 2)
    assert upright(zero, up) == 0 and upright(zero, right) == pytest.approx(math.pi / 2)
    moved = Region(100, 100, 10).scaled(2, up=0.5)
    assert (moved.x, moved.y, moved.size) == (100, 95, 20)
    lying = Region(100, 100, 10, math.pi / 2).scaled(1, up=0.5)
    assert (lying.x, lying.y) == pytest.approx((105, 100))


def test_overlap_of_squares():
    one = Region(50, 50, 20)
    assert one.overlap(one) == 1 and one.overlap(Region(90, 50, 20)) == 0
    assert one.overlap(Region(60, 50, 20)) == pytest.approx(1 / 3)
    assert one.overlap(Region(50, 50, 10)) == pytest.approx(0.25)
