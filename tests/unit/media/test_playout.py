from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout, PlayoutSchedule

FPS = 16
"""Model time of the chunks here: 12 frames stand for 0.75 s."""


def drain(schedule: PlayoutSchedule, until: float, left: list[tuple[float, MediaFrame]]) -> None:
    """Take every frame at the very moment it is due, as an idle event loop would."""
    while (due := schedule.next_due()) is not None and due < until:
        left.append((due, schedule.pop(due)))


def play(arrivals: list[tuple[float, int]], schedule: PlayoutSchedule | None = None):
    """Push chunks ``(at, count)``; gives the schedule and ``(left at, frame)`` for each frame."""
    schedule = schedule or PlayoutSchedule()
    left: list[tuple[float, MediaFrame]] = []
    number = 0
    for at, count in sorted(arrivals):
        drain(schedule, at, left)
        schedule.push([MediaFrame(None, at, number + index) for index in range(count)], at)
        number += count
    drain(schedule, float("inf"), left)
    return schedule, left


def gaps_of(left, after: float, before: float = float("inf")) -> list[float]:
    return [b - a for (a, _), (b, _) in pairwise(left) if after < a and b < before]


jitters = st.lists(st.floats(0, 0.15), min_size=200, max_size=200)


@given(jitters)
@settings(max_examples=40, deadline=None)
def test_jittered_chunks_leave_evenly_with_a_bounded_delay_and_in_order(jitter):
    schedule, left = play([(index * 0.75 + late, 12) for index, late in enumerate(jitter)])
    assert schedule.dropped == 0
    numbers = [frame.epoch for _, frame in left]
    assert numbers == list(range(200 * 12))
    settled = gaps_of(left, after=40, before=149)
    assert min(settled) > 0.9 / FPS
    # A hold is possible when a chunk is the latest ever; there are few and they are short.
    holds = [gap for gap in settled if gap > 1.15 / FPS]
    assert len(holds) <= 5 and max(settled) < 1 / FPS + 0.15
    waits = [at - frame.arrival for at, frame in left if at > 40]
    assert max(waits) < 0.75 + 0.15 + 1.5 / FPS


def test_regular_chunks_wait_for_nothing_but_their_turn():
    _, left = play([(index * 0.75, 12) for index in range(60)])
    settled = gaps_of(left, after=15)
    assert max(settled) - min(settled) < 0.001
    first_of_chunk = [at - frame.arrival for at, frame in left if frame.epoch % 12 == 0]
    assert max(first_of_chunk[20:]) < 1.5 / FPS


def test_an_hour_builds_up_no_delay():
    # A pipeline whose rate is not quite what it was: 12 frames each 0.75 s +- 2 %, slowly swinging.
    at, arrivals = 0.0, []
    for index in range(4800):
        at += 0.75 * (1 + 0.02 * ((index // 100) % 3 - 1))
        arrivals.append((at + 0.03 * (index * 7 % 5), 12))
    schedule, left = play(arrivals)
    waits = [(at, at - frame.arrival) for at, frame in left]
    early = max(wait for at, wait in waits if 60 < at < 600)
    late = max(wait for at, wait in waits if at > 3000)
    assert late < early + 0.1
    assert schedule.dropped < 0.001 * len(left)


def test_the_delay_grows_at_once_and_shrinks_slowly():
    calm = [(index * 0.75, 12) for index in range(40)]
    rough = [(30 + index * 0.75 + 0.3 * (index % 2), 12) for index in range(40)]
    calm_again = [(60 + index * 0.75, 12) for index in range(120)]
    _, left = play(calm + rough + calm_again)

    def wait(after, before):
        firsts = [at - f.arrival for at, f in left if f.epoch % 12 == 0 and after < at < before]
        return sum(firsts) / len(firsts)

    assert wait(15, 30) < 0.1
    assert len([gap for gap in gaps_of(left, 30, 60) if gap > 1.2 / FPS]) <= 2
    assert wait(45, 60) > 0.13
    assert wait(60, 62) > 0.13  # not yet
    assert wait(130, 150) < 0.1


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 12)), min_size=1, max_size=150))
@settings(deadline=None)
def test_whatever_comes_order_is_kept_and_the_backlog_bounded(steps):
    schedule, left, at, number = PlayoutSchedule(), [], 0.0, 0
    for step, count in steps:
        at += step
        drain(schedule, at, left)
        schedule.push([MediaFrame(None, at, number + index) for index in range(count)], at)
        number += count
        assert schedule.pending <= 24
        assert schedule.remaining_s(at) < 24 * 0.51
    drain(schedule, float("inf"), left)
    numbers = [frame.epoch for _, frame in left]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + schedule.dropped == number
    times = [at for at, _ in left]
    assert times == sorted(times)


@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=100))
def test_single_frames_leave_at_once(gaps):
    at, arrivals = 0.0, []
    for gap in gaps:
        at += gap
        arrivals.append((at, 1))
    _, left = play(arrivals)
    assert [at for at, _ in left] == [at for at, _ in arrivals]


def test_after_a_pause_the_next_chunk_leaves_at_once():
    before = [(index * 0.75, 12) for index in range(30)]
    after = [(60 + index * 0.75, 12) for index in range(30)]
    schedule, left = play(before + after)
    assert schedule.dropped == 0
    resumed = [at for at, _ in left if at > 50]
    assert resumed[0] == 60
    assert max(gaps_of(left, 60)) < 1.2 / FPS


@pytest.mark.parametrize(("old", "new"), [(0.75, 0.5), (0.5, 0.75)])
def test_another_rate_is_followed(old, new):
    before = [(index * old, 12) for index in range(40)]
    start = before[-1][0]
    after = [(start + index * new, 12) for index in range(1, 41)]
    schedule, left = play(before + after)
    assert schedule.dropped == 0
    settled = gaps_of(left, start + 12 * new, start + 40 * new)
    assert max(settled) < 1.1 * new / 12 and min(settled) > 0.9 * new / 12


def test_another_chunk_size_is_followed():
    before = [(index * 0.75, 12) for index in range(40)]
    after = [(before[-1][0] + index * 0.25, 4) for index in range(1, 81)]
    schedule, left = play(before + after)
    assert schedule.dropped <= 12
    settled = gaps_of(left, after[40][0], after[-1][0])
    assert max(settled) < 1.1 / FPS and min(settled) > 0.9 / FPS


def test_delay_never_builds_up_when_chunks_come_in_a_heap():
    _, left = play([(index * 0.01, 4) for index in range(200)])
    assert left[-1][0] < 2.0 + 8 / 30
    burst = PlayoutSchedule()
    for _ in range(10):
        burst.push([MediaFrame(None, 5.0, index) for index in range(12)], 5.0)
    assert burst.pending == 24 and burst.dropped == 96


def test_text_mode_is_paced():
    schedule = PlayoutSchedule()
    schedule.fixed_interval(0.1)
    _, left = play([(0.0, 1), (0.01, 1)], schedule)
    assert [at for at, _ in left] == [0.0, 0.1]
    assert schedule.remaining_s(0.11) == pytest.approx(0.09)


async def test_the_playout_hands_frames_over_in_time_and_ends():
    played: list[tuple[float, MediaFrame]] = []
    loop, third = asyncio.get_running_loop(), asyncio.Event()

    def play_one(frame: MediaFrame) -> None:
        played.append((loop.time(), frame))
        if len(played) == 3:
            third.set()

    playout = Playout(play_one)
    first = MediaFrame(None, 1.0)
    playout.push([first])
    assert [frame for _, frame in played] == [first]
    playout.fixed_interval(0.05)
    playout.push([MediaFrame(None, 2.0), MediaFrame(None, 3.0)])
    await asyncio.wait_for(third.wait(), 5)
    assert [frame.arrival for _, frame in played] == [1.0, 2.0, 3.0]
    assert played[2][0] - played[1][0] >= 0.04
    await playout.wait_room(1.0)
    playout.push([MediaFrame(None, 4.0)])
    playout.close()
    playout.close()
    playout.push([MediaFrame(None, 5.0)])
    await asyncio.sleep(0.15)
    assert len(played) == 3
    with pytest.raises(Closed):
        await playout.wait_room(1.0)
