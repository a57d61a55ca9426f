from __future__ import annotations

from lightmill.media.congestion.growth import FullPoints


def test_careful_near_a_point_and_quick_elsewhere():
    full = FullPoints(0.4)
    full.remember(1_000_000, 0.0)
    assert full.growth(500_000, 10.0) == 0.4
    assert full.growth(900_000, 11.0) == 0.08


def test_beyond_a_point_growth_comes_back_slowly_and_the_point_is_forgotten():
    full = FullPoints(0.4)
    full.remember(1_000_000, 0.0)
    assert full.growth(1_050_000, 10.0) == 0.08
    assert 0.08 < full.growth(1_100_000, 10.5) < 0.4
    assert full.growth(1_100_000, 13.0) == 0.4
    assert full.growth(900_000, 14.0) == 0.4


def test_only_the_end_of_a_fall_is_a_point_and_old_ones_stay():
    full = FullPoints(0.4)
    full.remember(4_000_000, 0.0)
    for step, bps in enumerate((3_000_000, 2_000_000, 1_000_000, 300_000)):
        full.remember(bps, 5.0 + step * 0.1)
    assert full.growth(300_000, 6.0) == 0.08
    assert full.growth(1_500_000, 10.0) == 0.4
    assert full.growth(3_800_000, 15.0) == 0.08
    assert full.growth(3_800_000, 300.0) == 0.4
