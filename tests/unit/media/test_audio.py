"""The delay line: as late as the picture, one timeline for ever, nothing out of order."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.audio import (
    CAPACITY_PACKETS,
    JUMP_S,
    LATENCY_FRAMES,
    PACKET_TICKS,
    REORDER_S,
    SLEW,
    AudioDelay,
    OpusPacket,
)

PACKET_S = 0.02


def packet(number: int, at_s: float, *, first: tuple[int, int] = (0, 0)) -> OpusPacket:
    """Packet ``number`` of a stream whose first has this sequence number and timestamp."""
    sequence, timestamp = first[0] + number, first[1] + number * PACKET_TICKS
    return OpusPacket(b"%d" % number, timestamp % (1 << 32), at_s, sequence % (1 << 16))


def show(line: AudioDelay, latency_s: float, now: float) -> None:
    for _ in range(LATENCY_FRAMES[1]):
        line.video_latency(latency_s, now)


def drain(line: AudioDelay, until: float) -> list[tuple[float, OpusPacket]]:
    """What leaves by ``until``, each at its own time."""
    left = []
    while (due := line.next_due(until)) is not None and due <= until:
        popped = line.pop(due)
        if popped is not None:
            left.append((due, popped))
    return left


def stream(line: AudioDelay, start: float, count: int, number: int = 0):
    """Push ``count`` packets in real time and return what left meanwhile."""
    left = []
    for index in range(count):
        now = start + index * PACKET_S
        left += drain(line, now)
        line.push(packet(number + index, now))
        left += drain(line, now)
    return left


def test_a_fast_picture_holds_nothing_back():
    line = AudioDelay()
    show(line, 0.002, 1.0)
    line.push(packet(0, 1.0))
    popped = line.pop(1.0)
    assert popped is not None and popped.payload == b"0" and popped.marker
    assert line.pop(1.0) is None and len(line) == 0


def test_sound_waits_for_a_slow_picture():
    line = AudioDelay()
    show(line, 0.2, 1.0)
    left = stream(line, 1.0, 50)
    assert [round(at - 1.0 - 0.2, 6) for at, _ in left] == [
        round(index * PACKET_S, 6) for index in range(len(left))
    ]
    assert [one.timestamp for _, one in left] == [i * PACKET_TICKS for i in range(len(left))]
    assert [one.marker for _, one in left] == [True] + [False] * (len(left) - 1)


def test_the_publishers_own_skew_counts():
    line = AudioDelay()
    show(line, 0.1, 1.0)
    line.skew_s = 0.05
    line.push(packet(0, 1.0))
    assert line.next_due(1.0) == 1.15
    line.skew_s = -0.2
    assert line.next_due(1.0) == 1.0
    popped = line.pop(1.0)  # at once, but it says that its picture has left already
    assert popped is not None and abs(popped.at_s - 0.9) < 1e-9


def test_a_jump_of_the_latency_moves_the_timeline_with_it():
    line = AudioDelay()
    before = stream(line, 1.0, 50)
    show(line, 0.3, 2.0)
    after = stream(line, 2.0, 50, 50)
    (last_at, last), (next_at, first) = before[-1], after[0]
    assert first.marker
    assert abs((first.timestamp - last.timestamp) / 48_000 - (next_at - last_at)) < 1e-3
    show(line, 0.0, 3.0)
    back = stream(line, 3.0, 50, 100)
    times = [one.timestamp for _, one in before + after + back]
    assert all(b - a >= PACKET_TICKS for a, b in pairwise(times))
    assert line.dropped == 15  # what would have been heard during the 0.3 s that are gone


def test_a_small_change_is_followed_slowly():
    line = AudioDelay()
    show(line, 0.1, 1.0)
    line.next_due(1.0)
    show(line, 0.1 + JUMP_S / 2, 1.0)
    line.next_due(1.5)
    assert abs(line.delay_s - (0.1 + SLEW * 0.5)) < 1e-9
    line.next_due(9.0)
    assert abs(line.delay_s - (0.1 + JUMP_S / 2)) < 1e-9


def test_loss_stays_a_gap_and_waits_only_a_moment():
    line = AudioDelay()
    line.push(packet(0, 1.0))
    assert line.pop(1.0)
    line.push(packet(2, 1.04))
    assert line.pop(1.04) is None
    assert abs((line.next_due(1.04) or 0) - (1.04 + REORDER_S)) < 1e-9
    popped = line.pop(1.04 + REORDER_S)
    assert popped is not None
    assert popped.timestamp == 2 * PACKET_TICKS and not popped.marker


def test_another_publisher_continues_the_timeline():
    line = AudioDelay()
    before = stream(line, 1.0, 10)
    line.restart()
    line.push(packet(0, 5.0, first=(40_000, 3_000_000_000)))
    popped = line.pop(5.0)
    assert popped is not None and popped.marker
    assert popped.timestamp - before[-1][1].timestamp == round((5.0 - before[-1][0]) * 48_000)


def test_a_timeline_that_stood_still_begins_anew():
    """A muted sender may stop its clock: its packets then seem to come seconds late."""
    line = AudioDelay()
    before = stream(line, 1.0, 10)
    after = stream(line, 11.0, 10, 10)
    assert after[0][1].marker
    assert after[0][1].timestamp - before[-1][1].timestamp == round((11.0 - 1.18) * 48_000)
    assert len(after) == 10


def test_silence_that_was_not_sent_is_no_loss():
    line = AudioDelay()
    stream(line, 1.0, 10)
    quiet = OpusPacket(b"x", 30 * PACKET_TICKS, 1.6, 10, marker=True)
    line.push(quiet)
    popped = line.pop(1.6)
    assert popped is not None and popped.marker and popped.timestamp == 30 * PACKET_TICKS


def test_a_full_line_drops_the_oldest():
    line = AudioDelay()
    show(line, 9.99, 1.0)
    for number in range(CAPACITY_PACKETS + 5):
        line.push(packet(number, 1.0 + number * 0.001))
    assert len(line) == CAPACITY_PACKETS and line.dropped == 5
    popped = line.pop(100.0)
    assert popped is not None and popped.payload == b"5"


def test_another_source_goes_on_where_the_first_stopped():
    first, second = AudioDelay(), AudioDelay(paced=True)
    before = stream(first, 1.0, 10)
    second.follow(first)
    second.push(OpusPacket(b"p", 0, 1.5, 0))
    assert second.pop(1.49) is None
    popped = second.pop(1.5)
    assert popped is not None and popped.marker
    assert popped.timestamp - before[-1][1].timestamp == round((1.5 - before[-1][0]) * 48_000)


@given(
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(["sent", "lost", "twice", "late"]), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.randoms(use_true_random=False),
)
def test_any_network_gives_an_ordered_stream(sequence, timestamp, fates, latency_s, chance):
    """Over wraps, loss, duplicates and reordering: rising timestamps, every packet that came in time."""
    line = AudioDelay()
    show(line, latency_s, 0.0)
    arrivals = _arrivals(fates, chance)
    left: list[tuple[float, OpusPacket]] = []
    for now, number in arrivals:
        left += drain(line, now)
        line.push(packet(number, now, first=(sequence, timestamp)))
        left += drain(line, now)
    left += drain(line, len(fates) * PACKET_S + 20)
    numbers = [int(one.payload) for _, one in left]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + line.dropped == len(arrivals)
    if latency_s and left:
        assert set(numbers) == {number for _, number in arrivals if number >= numbers[0]}
    if not left:
        assert not arrivals
        return
    origin = (left[0][1].timestamp - numbers[0] * PACKET_TICKS) % (1 << 32)
    for number, (_, one) in zip(numbers, left, strict=True):
        assert (one.timestamp - origin) % (1 << 32) == number * PACKET_TICKS


def _arrivals(fates: list[str], chance: random.Random) -> list[tuple[float, int]]:
    arrivals = []
    for number, fate in enumerate(fates):
        sent = number * PACKET_S
        if fate != "lost":
            arrivals.append((sent + (0.05 if fate == "late" else 0.0), number))
        if fate == "twice":
            arrivals.append((sent + chance.random() * 0.03, number))
    return sorted(arrivals)
