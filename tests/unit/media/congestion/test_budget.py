from __future__ import annotations

from lightmill.media.congestion.budget import FrameBudget


def admitted(budget: FrameBudget, pace_bps: float, size: int, start: float, seconds: float) -> int:
    count = 0
    for index in range(round(seconds * 30)):
        if budget.admit(pace_bps, start + index / 30):
            count += 1
            budget.spend(size)
    return count


def test_an_encoder_that_keeps_its_rate_loses_no_frame():
    assert admitted(FrameBudget(), 1_000_000, 1_000_000 // 30 // 8, 0.0, 5.0) == 150


def test_half_the_pace_is_half_the_frames():
    assert 70 <= admitted(FrameBudget(), 500_000, 1_000_000 // 30 // 8, 0.0, 5.0) <= 90


def test_a_keyframe_makes_the_next_frames_wait_at_a_low_pace_only():
    for pace_bps, waits in ((250_000, True), (4_000_000, False)):
        budget = FrameBudget()
        assert budget.admit(pace_bps, 0.0)
        budget.spend(15_000)
        assert budget.admit(pace_bps, 0.05) is not waits
        assert budget.admit(pace_bps, 0.4)


def test_a_pause_admits_nothing_and_leaves_no_debt():
    budget = FrameBudget()
    budget.admit(4_000_000, 0.0)
    budget.spend(100_000)
    assert not budget.admit(0, 0.1)
    assert budget.admit(250_000, 0.6) and budget.skipped == 1
