from __future__ import annotations

import random

from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given
from hypothesis import strategies as st

from lightmill.bench.clip import encode_clip
from lightmill.bench.collector import DEADLINE_S, FrameCollector, starts_keyframe
from lightmill.media.rtp import RtpPacket

KEY, DELTA = b"\x65key", b"\x61delta"
"""Single NAL units: an IDR slice and another slice."""


def packets(n_frames: int, per_frame: int, first: int = 65_530, key_every: int = 1000):
    """Frames of equal size; the first and each ``key_every``th is a keyframe."""
    made = []
    for frame in range(n_frames):
        for part in range(per_frame):
            payload = KEY if frame % key_every == 0 and not part else DELTA
            number = (first + len(made)) % 65_536
            marker = part == per_frame - 1
            made.append(RtpPacket(96, marker, number, frame * 3000, 1, payload))
    return made


def collect(stream, collector=None, every_s=0.001):
    collector = collector or FrameCollector("H264")
    frames = []
    for index, packet in enumerate(stream):
        frames += collector.add(packet, index * every_s)
    return [frame.timestamp // 3000 for frame in frames], collector


def test_a_frame_comes_with_its_marker_packet():
    collector = FrameCollector("H264")
    first, second = packets(1, 2)
    assert collector.add(first, 0) == []
    (frame,) = collector.add(second, 0)
    assert frame.keyframe and frame.payloads == [KEY, DELTA]


@given(st.integers(0, 65_535), st.randoms(use_true_random=False))
def test_reordering_and_duplicates_change_nothing(first, dice: random.Random):
    stream = packets(20, 3, first)
    mixed = [stream[0]]
    for at in range(1, len(stream), 6):
        part = stream[at : at + 6]
        dice.shuffle(part)
        mixed += [*part, dice.choice(part)]
    assert collect(mixed)[0] == list(range(20))


def test_a_missing_packet_is_asked_for_and_its_repair_delivers():
    stream = packets(4, 3)
    lost = stream.pop(4)
    collector = FrameCollector("H264")
    frames, _ = collect(stream[:6], collector)
    assert frames == [0]
    assert collector.wanted(0.1) == [lost.sequence_number]
    assert collector.wanted(0.11) == []
    assert collector.wanted(0.2) == [lost.sequence_number]
    assert [frame.timestamp // 3000 for frame in collector.add(lost, 0.2)] == [1]
    assert (collector.counts.repaired, collector.counts.lost) == (1, 0)


def test_a_loss_is_given_up_and_a_keyframe_awaited():
    stream = packets(30, 3, key_every=20)
    del stream[4]
    frames, collector = collect(stream, every_s=DEADLINE_S / 10)
    assert frames == [0, *range(20, 30)]
    assert (collector.counts.given_up, collector.counts.lost) == (1, 1)
    assert not collector.needs_keyframe


@given(st.sets(st.integers(1, 119), max_size=15))
def test_only_whole_frames_after_a_keyframe_are_delivered(gone):
    stream = packets(40, 3, key_every=10)
    arrived = [packet for index, packet in enumerate(stream) if index not in gone]
    frames, _ = collect(arrived, every_s=DEADLINE_S / 5)
    whole = {n for n in range(40) if not gone & {3 * n, 3 * n + 1, 3 * n + 2}}
    assert frames == sorted(set(frames))
    for frame in frames:
        assert set(range(frame // 10 * 10, frame + 1)) <= whole


def test_keyframes_of_real_encoders_are_known():
    for codec, encoder in (("H264", H264Encoder), ("VP8", Vp8Encoder)):
        clip = encode_clip(codec, 320, 240, 30, 300_000, 0.5, 0.2)
        for frame in clip.frames:
            if codec == "H264":
                payloads = encoder._packetize(encoder._split_bitstream(frame.data))
            else:
                payloads = encoder._packetize(frame.data, 200)
            assert starts_keyframe(codec, payloads[0]) == frame.keyframe
        assert [n for n, frame in enumerate(clip.frames) if frame.keyframe] == [0, 6, 12]
