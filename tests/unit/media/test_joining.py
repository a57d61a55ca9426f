from dataclasses import replace

import pytest

from lightmill.media.joining import MAX_FRAME_PACKETS, FrameJoiner
from lightmill.media.rtp import RtpPacket
from tests.unit.media.streams import FRAME_TICKS, stream


def joined(joiner, packets, arrival=0.0):
    frames = []
    for packet in packets:
        joiner.add(packet, arrival, frames)
    return frames


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_sender_that_marks_every_packet_is_understood_after_one_keyframe(codec):
    sent = stream(codec, [True, False, True, False, False], sizes=(200,))
    joiner = FrameJoiner(codec)
    packets = [replace(packet, marker=True) for frame in sent for packet in frame.packets]
    data = [frame.data for frame in joined(joiner, packets)]
    assert data[-2:] == [frame.data for frame in sent[2:4]]


def test_the_interval_follows_the_timestamps_and_not_the_pauses():
    joiner = FrameJoiner("VP8")
    sent = stream("VP8", [True] + [False] * 60, first_timestamp=2**32 - 5 * FRAME_TICKS)
    for frame in sent:
        joined(joiner, [replace(p, timestamp=2 * p.timestamp % 2**32) for p in frame.packets])
    assert joiner.interval_s == pytest.approx(1 / 15, rel=0.01)
    late = replace(sent[1].packets[0], timestamp=2**31, marker=True)
    joined(joiner, [late])
    assert joiner.interval_s == pytest.approx(1 / 15, rel=0.01)


def test_a_frame_without_end_is_dropped_and_its_bytes_released():
    joiner = FrameJoiner("VP8")
    (key,) = stream("VP8", [True], sizes=(1,))
    first = replace(key.packets[0], marker=False)
    rest = RtpPacket(96, False, 1, first.timestamp, 1, b"\x00abc")
    assert joined(joiner, [first] + [rest] * MAX_FRAME_PACKETS) == []
    assert joined(joiner, [replace(rest, marker=True)]) == []
    assert joiner.frames_dropped == 1 and joiner.wants_keyframe


def test_an_interrupted_frame_counts_once():
    sent = stream("VP8", [True, False], sizes=(200,))
    joiner = FrameJoiner("VP8")
    joined(joiner, sent[0].packets + sent[1].packets[:1])
    joiner.interrupt()
    assert joined(joiner, sent[1].packets[2:]) == []
    assert (joiner.frames, joiner.frames_dropped) == (1, 1)
    assert joiner.undecodable and joiner.wants_keyframe
