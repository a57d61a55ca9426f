from __future__ import annotations

import pytest

from lightmill.media.timeline import JUMP_S, LATE_S, Timeline


def test_any_first_timestamp_is_the_beginning():
    timeline = Timeline()
    assert timeline.place(1000.0) == 0.0
    assert timeline.place(1000.04) == pytest.approx(0.04)
    assert timeline.due(0.0, 50.0) == 50.0
    assert timeline.due(0.04, 50.01) == pytest.approx(50.04)


def test_a_loop_goes_on_by_one_interval():
    timeline = Timeline()
    timeline.interval_s = 0.1
    assert [timeline.place(pts) for pts in (0.0, 0.1, 0.2)] == pytest.approx([0, 0.1, 0.2])
    timeline.restart()
    assert [timeline.place(pts) for pts in (0.0, 0.1)] == pytest.approx([0.3, 0.4])


@pytest.mark.parametrize("jump", [-5.0, JUMP_S + 1, 0.0])
def test_a_timestamp_that_jumps_does_not_move_the_timeline(jump):
    timeline = Timeline()
    timeline.interval_s = 0.1
    timeline.place(10.0)
    timeline.place(10.1)
    assert timeline.place(10.1 + jump) == pytest.approx(0.2)
    assert timeline.place(10.2 + jump) == pytest.approx(0.3)


def test_pictures_without_timestamps_follow_each_other():
    timeline = Timeline()
    timeline.interval_s = 0.1
    assert [timeline.place(None) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


def test_a_little_late_is_caught_up_and_much_late_is_not():
    timeline = Timeline()
    timeline.due(0.0, 0.0)
    assert timeline.due(1.0, 1.0 + LATE_S / 2) == 1.0
    late = 2.0 + 2 * LATE_S
    assert timeline.due(2.0, late) == late
    assert timeline.due(2.1, late) == pytest.approx(late + 0.1)


def test_sound_stands_beside_the_picture_and_never_moves_it():
    timeline = Timeline()
    assert timeline.place_sound(5.0) is None
    timeline.place(5.0)
    timeline.due(0.0, 100.0)
    assert timeline.place_sound(5.5) == pytest.approx(0.5)
    assert timeline.sound_due(0.5, 109.0) == pytest.approx(100.5)
    assert timeline.due(0.1, 100.0) == pytest.approx(100.1)
    assert timeline.place_sound(50.0) is None
