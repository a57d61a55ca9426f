from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lightmill.media.fanout import KeyframeGate, PacketFanout
from lightmill.media.frames import EncodedPicture, OutgoingFrame
from lightmill.session.tap import Tap


@dataclass(eq=False)
class FakeLane:
    """A lane's gate and fan-out, without its encoder."""

    name: str
    gate: KeyframeGate = field(default_factory=lambda: KeyframeGate(0.0))

    def __post_init__(self):
        self.fanout = PacketFanout(self.gate.request, 4)

    def send(self, at, *, keyframe=False, whole=True):
        keyframe = self.gate.take(at) or keyframe
        picture = EncodedPicture(self.name.encode(), 64, 48, whole, still=False)
        self.fanout.publish(OutgoingFrame([], 0, at, keyframe, picture=picture))


class Taker:
    def __init__(self):
        self.seen, self.full = [], False

    def picture(self, frame):
        if not self.full:
            self.seen.append((frame.picture.data.decode(), frame.at, frame.keyframe))
        return not self.full

    def sound(self, packet): ...


@pytest.fixture
def taker():
    return Taker()


def test_it_begins_with_a_keyframe_and_asks_for_one_each_interval(taker):
    lane = FakeLane("a")
    tap = Tap(taker, 1.0, lambda tap: None)
    tap.follow(lane)
    assert len(lane.fanout) == 1 and lane.fanout.n_viewers == 0
    for number in range(31):
        lane.send(number / 10)
    assert [at for _, at, keyframe in taker.seen if keyframe] == [0.0, 1.1, 2.2]
    assert len(taker.seen) == 31
    tap.close()
    tap.close()
    lane.send(4.0)
    assert len(taker.seen) == 31 and len(lane.fanout) == 0


def test_lanes_change_without_a_gap(taker):
    one, other = FakeLane("a"), FakeLane("b")
    tap = Tap(taker, 10.0, lambda tap: None)
    tap.follow(one)
    one.send(0.0)
    tap.follow(other)
    one.send(0.1)
    other.gate.sent(0.0)  # its encoder is busy: no keyframe yet
    other.send(0.15)
    one.send(0.2)
    other.send(0.3, keyframe=True)
    one.send(0.35)
    other.send(0.4)
    assert [(name, at) for name, at, _ in taker.seen] == [
        ("a", 0.0),
        ("a", 0.1),
        ("a", 0.2),
        ("b", 0.3),
        ("b", 0.4),
    ]
    assert tap.lane is other and len(one.fanout) == 0


def test_a_change_that_is_taken_back_leaves_the_old_lane(taker):
    one, other = FakeLane("a"), FakeLane("b")
    tap = Tap(taker, 10.0, lambda tap: None)
    tap.follow(one)
    one.send(0.0)
    tap.follow(other)
    tap.follow(one)
    other.send(0.1)
    one.send(0.2)
    assert [name for name, *_ in taker.seen] == ["a", "a"] and len(other.fanout) == 0


def test_after_a_smaller_picture_or_a_full_queue_comes_a_keyframe(taker):
    lane = FakeLane("a")
    Tap(taker, 10.0, lambda tap: None).follow(lane)
    lane.send(0.0)
    lane.send(0.1, whole=False)
    assert not lane.gate.requested  # it would be small, and viewers pay for it
    lane.send(0.2)
    lane.send(0.3)
    lane.send(0.4)
    assert [(at, keyframe) for _, at, keyframe in taker.seen] == [
        (0.0, True),
        (0.3, True),
        (0.4, False),
    ]


def test_a_taker_that_stays_full_costs_a_keyframe_each_interval_and_no_more(taker):
    lane = FakeLane("a")
    Tap(taker, 1.0, lambda tap: None).follow(lane)
    lane.send(0.0)
    taker.full = True
    keyframes = []
    lane.fanout.listen(lambda frame: keyframes.append(frame.at) if frame.keyframe else None)
    lane.gate.sent(0.0)
    for number in range(1, 31):
        lane.send(number / 10)
    assert keyframes == [0.2, 1.2, 2.2]
    taker.full = False
    for number in range(31, 41):
        lane.send(number / 10)
    assert next(frame for frame in taker.seen if frame[1] > 0) == ("a", 3.2, True)
