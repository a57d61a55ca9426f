from __future__ import annotations

from lightmill.bench.timeline import Follower, Timeline


def looped(n_frames: int, loop: int) -> Timeline:
    line = Timeline(30)
    for position in range(n_frames):
        line.sent(position % loop, position / 30)
    return line


def ticks(frames: float, origin: int = 4_000_000_000) -> int:
    return round(origin + frames * 3000) % (1 << 32)


def test_pictures_are_found_through_loops_and_a_wrap_of_the_timestamp():
    line = Timeline(30)
    follower = Follower(line)
    for position in range(400_000 // 3000 * 100):
        line.sent(position % 60, position / 30)
        if position % 7 == 0:
            assert follower.position(position % 60, ticks(position)) == position


def test_a_latency_longer_than_the_clip_is_found_by_the_timestamp():
    line = looped(10, 10)
    follower = Follower(line)
    assert follower.position(9, ticks(9)) == 9
    for position in range(10, 95):
        line.sent(position % 10, position / 30)
    assert follower.position(5, ticks(75)) == 75
    assert follower.position(6, ticks(86)) == 86


def test_a_repeated_picture_is_told_apart_from_the_next_loop():
    line = looped(30, 10)
    follower = Follower(line)
    assert follower.position(3, ticks(0)) == 23
    assert follower.position(3, ticks(1)) is None
    assert follower.position(4, ticks(1)) == 24


def test_a_number_that_was_not_sent_is_not_found():
    assert Follower(looped(5, 10)).sent_at(8, 0) is None
