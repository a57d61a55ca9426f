"""The filter: rests on what rests, follows what moves, forgets what is not a number."""

from __future__ import annotations

import numpy as np
import pytest

from lightmill.pipelines.neural.smoothing import OneEuro


def run(points, min_cutoff_hz=1.0, beta=5.0):
    smooth = OneEuro(min_cutoff_hz, beta)
    return np.array([smooth(np.array([[x, 0.0]]), 100)[0, 0] for x in points])


def test_noise_on_a_point_that_rests_gets_small():
    noise = np.random.default_rng(3).normal(0, 1, 200)
    assert run(noise)[50:].std() < 0.5 * noise[50:].std()


def test_a_fast_point_lags_less_than_without_the_speed_term():
    way = np.linspace(0, 2000, 60)
    with_speed, without = run(way, 1.0, 5.0), run(way, 1.0, 0.0)
    assert abs(way[-1] - with_speed[-1]) < 0.3 * abs(way[-1] - without[-1])


def test_it_ends_where_the_point_stays():
    assert run([0] * 5 + [30] * 120)[-1] == pytest.approx(30, abs=0.1)


def test_another_number_of_points_starts_anew():
    smooth = OneEuro(1.0, 1.0)
    smooth(np.zeros((1, 2)), 10)
    assert (smooth(np.ones((3, 2)), 10) == 1).all()
