from __future__ import annotations

from itertools import pairwise

from lightmill.media.frames import MediaFrame
from lightmill.media.playout import PlayoutSchedule


def play(schedule: PlayoutSchedule, pushes: dict[float, int], until: float) -> list[float]:
    """Run the schedule on a clock of milliseconds; gives the times at which frames left."""
    left = []
    for tick in range(round(until * 1000)):
        now = tick / 1000
        if tick in {round(at * 1000) for at in pushes}:
            count = next(n for at, n in pushes.items() if round(at * 1000) == tick)
            schedule.push([MediaFrame(None, now) for _ in range(count)], now)
        while schedule.pop(now):
            left.append(now)
    return left


def test_single_frames_leave_at_once():
    pushes = {index / 30: 1 for index in range(30)}
    left = play(PlayoutSchedule(), pushes, 1.1)
    assert len(left) == 30
    assert all(abs(at - push) < 0.002 for at, push in zip(left, pushes, strict=True))


def test_chunks_are_spread_evenly():
    left = play(PlayoutSchedule(), {index * 0.75: 12 for index in range(8)}, 6.5)
    gaps = [b - a for a, b in pairwise(left[24:])]
    assert len(left) >= 94
    assert max(gaps) < 0.09 and min(gaps) > 0.04


def test_delay_never_builds_up():
    schedule = PlayoutSchedule()
    play(schedule, {index * 0.01: 4 for index in range(200)}, 2.0)
    assert schedule.pending <= 8 and schedule.dropped > 0


def test_text_mode_is_paced():
    schedule = PlayoutSchedule()
    schedule.fixed_interval(0.1)
    left = play(schedule, {0.0: 1, 0.01: 1}, 0.5)
    assert left == [0.0, 0.1]
    assert schedule.remaining_s(0.11) > 0.05
