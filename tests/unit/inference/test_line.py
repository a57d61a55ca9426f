"""When stages may start: throughput and delay of simulated lines, and changes of their order."""

from __future__ import annotations

import asyncio
import heapq
from itertools import pairwise

import pytest

from lightmill.inference import line as line_module
from lightmill.inference.line import Line, Seat
from lightmill.media.frames import MediaFrame, StagePicture


def seat(takes=1):
    return Seat(wake=lambda: None, takes=takes, gives=takes)


class Simulation:
    """A camera and stages of fixed duration on a clock of their own; the line decides who works."""

    def __init__(self, stages, camera_s=1 / 60):
        self.now = 0.0
        self.line = Line(0.05, clock=lambda: self.now)
        self.seats = [seat(takes) for takes, _ in stages]
        self.durations = {
            one: duration for one, (_, duration) in zip(self.seats, stages, strict=True)
        }
        self.line.put(self.seats)
        self.out: list[tuple[float, float]] = []  # (when it came out, when it was captured)
        self.most_waiting = dict.fromkeys(self.seats, 0)
        self._events: list[tuple[float, int, object]] = [(0.0, 0, None)]
        self._n_events = 1
        self._camera_s = camera_s

    def _at(self, when, what):
        heapq.heappush(self._events, (when, self._n_events, what))
        self._n_events += 1

    def run(self, seconds):
        while self._events and self._events[0][0] <= seconds:
            self.now, _, what = heapq.heappop(self._events)
            if what is None:
                self.line.feed(MediaFrame(None, self.now))
                self._at(self.now + self._camera_s, None)
            else:
                self._end(*what)
            for one in self.seats:
                self.most_waiting[one] = max(self.most_waiting[one], len(one.waiting))
            while any(self._start(one) for one in self.seats):
                pass
        return self

    def _start(self, one):
        if one.busy or not self.line.may_start(one):
            return False
        self._at(self.now + self.durations[one], (one, self.line.take(one)))
        return True

    def _end(self, one, pictures):
        if not self.line.hand_on(one, pictures):
            self.out += [(self.now, picture.arrival) for picture in pictures]
        self.line.finished(one)

    def rate(self, since):
        return sum(at > since for at, _ in self.out) / (self.now - since)

    def delay(self, since):
        return max(at - arrival for at, arrival in self.out if at > since)


LINES = {
    "the last is slow": [(1, 0.005), (1, 0.005), (1, 0.005), (1, 0.1)],
    "the first is slow": [(1, 0.1), (1, 0.005), (1, 0.005), (1, 0.005)],
    "one inside is slow": [(1, 0.02), (1, 0.03), (1, 0.1), (1, 0.04)],
    "all are equal": [(1, 0.1)] * 4,
    "uneven, the sum far above the slowest": [(1, 0.06), (1, 0.09), (1, 0.07), (1, 0.1)],
    "long before short": [(12, 1.1), (1, 0.005), (1, 0.09)],
    "long before short, the short slow": [(12, 0.6), (1, 0.005), (1, 0.1)],
    "short before long": [(1, 0.09), (4, 0.3), (9, 0.8)],
    "long amid short": [(1, 0.03), (9, 0.85), (1, 0.09)],
    "three sizes": [(4, 0.35), (9, 0.85), (1, 0.09), (12, 1.1)],
}


@pytest.mark.parametrize("stages", LINES.values(), ids=LINES.keys())
def test_the_slowest_sets_the_pace(stages):
    done = Simulation(stages).run(140)
    slowest = max(duration / takes for takes, duration in stages)
    assert done.rate(since=20) == pytest.approx(1 / slowest, rel=0.02)


@pytest.mark.parametrize("stages", LINES.values(), ids=LINES.keys())
def test_pictures_come_out_in_order_and_no_queue_grows(stages):
    done = Simulation(stages).run(60)
    assert all(a <= b for (_, a), (_, b) in pairwise(done.out))
    longest = max(takes for takes, _ in stages)
    assert all(most < 2 * longest for most in done.most_waiting.values())
    assert done.line.dropped == 0
    assert done.delay(since=30) <= done.delay(since=10)


def test_a_slow_last_stage_delays_by_two_of_its_chunks_not_by_one_for_each_stage():
    for n_before in (1, 3, 6):
        done = Simulation([*[(1, 0.004)] * n_before, (1, 0.1)]).run(60)
        assert done.delay(since=10) < 0.2 + n_before * 0.004 + 2 / 60


def test_a_light_line_adds_nothing_but_its_work():
    done = Simulation([(1, 0.002)] * 5, camera_s=1 / 30).run(10)
    assert done.delay(since=1) == pytest.approx(0.01)


def pictures(*numbers):
    return [StagePicture(None, float(number)) for number in numbers]


def line_of(*seats):
    line = Line(0.05, clock=lambda: 0.0)
    line.put(seats)
    return line


async def test_what_is_only_added_to_needs_no_emptying():
    a, b, new = seat(), seat(), seat()
    line = line_of(a, b)
    b.waiting.extend(pictures(1))
    b.busy = True
    await asyncio.wait_for(line.arrange([a, new, b]), 1)
    assert line.seats == [a, new, b] and len(b.waiting) == 1


async def test_a_removed_stage_finishes_first_and_the_one_before_it_waits():
    a, gone, last = seat(), seat(), seat()
    line = line_of(a, gone, last)
    gone.waiting.extend(pictures(1))
    line.feed(MediaFrame(None, 0.0))
    change = asyncio.create_task(line.arrange([a, last]))
    await asyncio.sleep(0)
    assert not line.may_start(a) and line.may_start(gone)
    (picture,) = line.take(gone)
    await asyncio.sleep(0)
    assert not change.done()
    line.hand_on(gone, [picture])
    line.finished(gone)
    await asyncio.sleep(0)
    assert not change.done() and line.may_start(last)
    line.take(last)
    line.finished(last)
    await change
    assert line.seats == [a, last] and line.dropped == 0
    assert line.may_start(a)


async def test_what_is_no_whole_chunk_is_left_behind_when_the_order_changes():
    a, nine, last = seat(), seat(9), seat()
    line = line_of(a, nine, last)
    nine.waiting.extend(pictures(1, 2, 3))
    await asyncio.wait_for(line.arrange([a, last, nine]), 1)
    assert line.dropped == 3 and not nine.waiting


async def test_a_stage_that_hangs_is_cut_off(monkeypatch):
    monkeypatch.setattr(line_module, "DRAIN_S", 0.01)
    a, hangs = seat(), seat()
    line = line_of(a, hangs)
    hangs.busy = True
    epoch = hangs.epoch
    await asyncio.wait_for(line.arrange([a]), 1)
    assert line.seats == [a] and hangs.epoch > epoch


async def test_a_change_that_is_given_up_changes_nothing():
    a, busy = seat(), seat()
    line = line_of(a, busy)
    busy.busy = True
    line.feed(MediaFrame(None, 0.0))
    change = asyncio.create_task(line.arrange([a]))
    await asyncio.sleep(0)
    assert not line.may_start(a)
    change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await change
    assert line.seats == [a, busy] and line.may_start(a)


async def test_the_camera_goes_on_with_the_new_first_stage():
    a, b = seat(), seat(4)
    line = line_of(a, b)
    for number in range(2):
        line.feed(MediaFrame(None, float(number)))
    await asyncio.wait_for(line.arrange([b, a]), 1)
    assert not line.may_start(b)
    for number in range(2, 4):
        line.feed(MediaFrame(None, float(number)))
    assert [one.arrival for one in line.take(b)] == [0, 1, 2, 3]


def test_a_stage_that_gave_up_is_left_out_at_once():
    a, failed, last = seat(), seat(), seat()
    line = line_of(a, failed, last)
    failed.waiting.extend(pictures(1))
    line.leave(failed)
    assert line.seats == [a, last] and line.dropped == 1
    line.hand_on(a, pictures(2))
    assert [one.arrival for one in last.waiting] == [2]
    assert line.hand_on(failed, pictures(3)) and line.dropped == 2


def test_the_stage_behind_one_that_gave_up_takes_from_the_camera():
    failed, four = seat(), seat(4)
    line = line_of(failed, four)
    four.waiting.extend(pictures(0))
    line.leave(failed)
    assert line.dropped == 1
    for number in range(1, 5):
        line.feed(MediaFrame(None, float(number)))
    assert line.may_start(four)
    assert [one.arrival for one in line.take(four)] == [1, 2, 3, 4]
    line.put([new := seat(), four])
    assert line.is_first(new) and not four.waiting


def test_a_stage_that_comes_to_take_more_wakes_those_before_it():
    a, b, last = seat(), seat(), seat()
    line = line_of(a, b, last)
    b.waiting.extend(pictures(1))
    last.waiting.extend(pictures(0))
    assert not line.may_start(b)
    woken: list[bool] = []
    b.wake = lambda: woken.append(line.may_start(b))
    line.require(last, 4)
    assert woken == [True]
