from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.congestion.ladder import LEAST_FPS, Ladder, Rung, half_of, sizes_of


def climb(ladder: Ladder, target_bps: float, start: float, seconds: float, load: float = 0.1):
    """The heights seen, ten times a second."""
    return [
        ladder.update(target_bps, 1280, 720, 30, start + step / 10, load).height
        for step in range(round(seconds * 10))
    ]


def test_steps_of_sources():
    assert sizes_of(1920, 1080) == [(1920, 1080), (1280, 720), (960, 540), (640, 360)]
    assert sizes_of(1280, 720) == [(1280, 720), (960, 540), (640, 360)]
    assert sizes_of(720, 1280) == [(720, 1280), (540, 960), (360, 640)]
    assert sizes_of(640, 480) == [(640, 480), (480, 360)]
    assert sizes_of(321, 241) == [(320, 240)]
    assert half_of(1280, 720) == (640, 360)


def test_it_begins_where_the_target_allows():
    for target_bps, height in ((1_500_000, 720), (800_000, 540), (250_000, 360)):
        assert Ladder().update(target_bps, 1280, 720, 30, 0.0).height == height


def test_a_short_shortage_changes_nothing_and_a_long_one_does():
    ladder = Ladder()
    assert climb(ladder, 1_500_000, 0.0, 2)[-1] == 720
    assert set(climb(ladder, 1_000_000, 2.0, 1.2)) == {720}
    assert climb(ladder, 1_000_000, 3.2, 1.0)[-1] == 540


def test_a_severe_shortage_goes_straight_to_the_right_step():
    ladder = Ladder()
    climb(ladder, 4_000_000, 0.0, 2)
    assert ladder.update(300_000, 1280, 720, 30, 2.0).height == 360


def test_it_comes_back_a_step_at_a_time():
    ladder = Ladder()
    climb(ladder, 300_000, 0.0, 2)
    heights = climb(ladder, 4_000_000, 2.0, 10)
    assert heights[:39] == [360] * 39
    assert heights[-1] == 720 and sorted(set(heights)) == [360, 540, 720]


def test_between_the_thresholds_it_stays_where_it_is():
    ladder = Ladder()
    climb(ladder, 800_000, 0.0, 1)
    assert set(climb(ladder, 1_400_000, 1.0, 60)) == {540}
    ladder = Ladder()
    climb(ladder, 4_000_000, 0.0, 1)
    assert set(climb(ladder, 1_400_000, 1.0, 60)) == {720}


def test_flapping_is_damped():
    ladder, changes, height, now = Ladder(), 0, 720, 0.0
    while now < 240:
        target = 2_000_000 if now % 10 < 6 else 1_000_000
        seen = ladder.update(target, 1280, 720, 30, now).height
        changes += seen != height
        height, now = seen, now + 0.1
    assert changes <= 12  # 48 without damping


def test_an_encoder_that_is_too_slow_takes_a_smaller_picture():
    ladder = Ladder()
    assert climb(ladder, 4_000_000, 0.0, 5, load=1.2)[-1] == 360
    assert set(climb(ladder, 4_000_000, 5.0, 20, load=0.7)) == {360}
    assert climb(ladder, 4_000_000, 25.0, 40, load=0.2)[-1] == 720


def test_fewer_frames_only_on_the_lowest_step():
    assert Ladder().update(100_000, 1280, 720, 60, 0.0) == Rung(640, 360, 4)
    assert Ladder().update(100_000, 1280, 720, 30, 0.0) == Rung(640, 360, 2)
    assert Ladder().update(100_000, 1280, 720, 20, 0.0).frame_divisor == 1
    assert Ladder().update(250_000, 1280, 720, 30, 0.0).frame_divisor == 1


@given(
    st.lists(
        st.tuples(
            st.integers(50_000, 9_000_000), st.sampled_from([(1920, 1080), (720, 1280), (640, 480)])
        ),
        min_size=1,
        max_size=40,
    ),
    st.floats(15, 60),
)
def test_never_under_15_fps_and_never_larger_than_the_source(
    steps: list[tuple[int, tuple[int, int]]], fps: float
):
    ladder = Ladder()
    for number, (target_bps, (width, height)) in enumerate(steps):
        rung = ladder.update(target_bps, width, height, fps, number * 0.5)
        assert rung.width <= width and rung.height <= height
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.width / rung.height == pytest.approx(width / height, rel=0.02)
        assert fps / rung.frame_divisor >= LEAST_FPS
