import heapq
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.assembly import MAX_WAITING, AssembledFrame, FrameAssembler
from lightmill.media.payload import Packetiser
from lightmill.media.rtp import RtpPacket
from tests.unit.media.streams import (
    FRAME_TICKS,
    SentFrame,
    decoded,
    encoded,
    parameter_sets,
    stream,
)

PACKET_S = 0.001
FRAME_S = FRAME_TICKS / 90_000

codecs = st.sampled_from(["H264", "VP8"])
first_sequences = st.sampled_from([0, 1, 65_530, 65_535, 32_760])
first_timestamps = st.sampled_from([0, 2**32 - 2 * FRAME_TICKS, 2**31 - FRAME_TICKS, 2**32 - 1])
LOST, TWICE = "lost", "twice"
faults = st.dictionaries(
    st.integers(0, 150),
    st.one_of(st.sampled_from([LOST, TWICE]), st.floats(0, 0.3, allow_nan=False)),
    max_size=30,
)
streams = st.builds(
    stream,
    codecs,
    st.lists(st.booleans(), min_size=1, max_size=15),
    seed=st.integers(0, 99),
    first_sequence=first_sequences,
    first_timestamp=first_timestamps,
    markers=st.booleans(),
    sets_apart=st.booleans(),
)


def codec_of(sent: list[SentFrame]) -> str:
    return "H264" if sent[0].data.startswith(b"\0\0\0\1") else "VP8"


def departures(sent: list[SentFrame]) -> list[tuple[float, RtpPacket]]:
    return [
        (index * FRAME_S + at * PACKET_S / 10, packet)
        for index, frame in enumerate(sent)
        for at, packet in enumerate(frame.packets)
    ]


def through_faults(
    sent: list[SentFrame], faults: dict[int, str | float]
) -> list[tuple[float, RtpPacket]]:
    arrivals: list[tuple[float, RtpPacket]] = []
    for index, (at, packet) in enumerate(departures(sent)):
        fault = faults.get(index, 0.0)
        if fault == LOST:
            continue
        arrivals.append((at + (fault if isinstance(fault, float) else 0), packet))
        if fault == TWICE:
            arrivals.append((at + 0.01, packet))
    return arrivals


class Receiver:
    """Does what a session does: adds packets, calls when due, and answers through callbacks."""

    def __init__(self, assembler: FrameAssembler) -> None:
        self.assembler = assembler
        self.frames: list[AssembledFrame] = []
        self.left_at: list[float] = []
        self.requests: list[float] = []
        self.nacks: list[tuple[float, int]] = []
        self._queue: list[tuple[float, int, RtpPacket]] = []
        self._n = 0

    def schedule(self, at: float, packet: RtpPacket) -> None:
        self._n += 1
        heapq.heappush(self._queue, (at, self._n, packet))

    def run(
        self,
        arrivals: Iterable[tuple[float, RtpPacket]],
        on_nack: Callable[[int, float], None] = lambda sequence, now: None,
        until: float = 3.0,
    ) -> None:
        for at, packet in arrivals:
            self.schedule(at, packet)
        now = 0.0
        for _ in range(100_000):
            due = self.assembler.due()
            next_packet = self._queue[0][0] if self._queue else until
            if due is not None and due < next_packet:
                if due > until:
                    return
                now = max(now, due)
                self._left(self.assembler.poll(now), now)
            elif not self._queue:
                return
            else:
                now, _, packet = heapq.heappop(self._queue)
                self._left(self.assembler.add(packet, now), now)
            for sequence in self.assembler.take_nacks(now):
                self.nacks.append((now, sequence))
                on_nack(sequence, now)
            if self.assembler.take_keyframe_request(now):
                self.requests.append(now)
        raise AssertionError("due() names a time at which nothing is done")

    def _left(self, frames: list[AssembledFrame], now: float) -> None:
        self.frames += frames
        self.left_at += [now] * len(frames)


def check_what_left(sent: list[SentFrame], left: list[AssembledFrame]) -> list[int]:
    """Whole, right, in order, decodable; returns which ones they are."""
    by_timestamp = {frame.timestamp: index for index, frame in enumerate(sent)}
    indices = [by_timestamp[frame.timestamp] for frame in left]
    assert indices == sorted(set(indices))
    for index, frame in zip(indices, left, strict=True):
        assert frame.data == sent[index].data
        assert frame.keyframe == sent[index].keyframe
        assert frame.first_arrival <= frame.arrival
    for before, index in zip([None, *indices], indices, strict=False):
        assert sent[index].keyframe or before == index - 1
    return indices


@given(streams)
def test_all_from_the_first_keyframe_on_leaves_with_its_last_packet(sent):
    receiver = Receiver(FrameAssembler(codec_of(sent)))
    receiver.run(departures(sent))
    indices = check_what_left(sent, receiver.frames)
    first = next((i for i, frame in enumerate(sent) if frame.keyframe), len(sent))
    marked = sent[-1].packets[-1].marker
    assert indices == list(range(first, len(sent) if marked else len(sent) - 1))
    if marked:
        times = {packet.sequence_number: at for at, packet in departures(sent)}
        last = [times[sent[index].packets[-1].sequence_number] for index in indices]
        assert receiver.left_at == last == [frame.arrival for frame in receiver.frames]


@given(streams, faults, st.booleans())
def test_whatever_the_network_does_nothing_broken_leaves(sent, faults, nack):
    receiver = Receiver(FrameAssembler(codec_of(sent), nack=nack))
    receiver.run(through_faults(sent, faults))
    check_what_left(sent, receiver.frames)
    for frame, left_at in zip(receiver.frames, receiver.left_at, strict=True):
        assert left_at <= frame.arrival + 0.12 + 1e-9
    counts = receiver.assembler.statistics()
    assert counts.frames == len(receiver.frames)
    assert counts.keyframe_requests == len(receiver.requests)
    assert counts.nacked == len(receiver.nacks)
    assert nack or not receiver.nacks


@given(streams, st.dictionaries(st.integers(0, 150), st.floats(0, 0.03), max_size=40))
def test_reordering_within_the_deadline_loses_nothing(sent, delays):
    delays.pop(0, None)  # what comes before the first packet is not known to exist
    receiver = Receiver(FrameAssembler(codec_of(sent)))
    receiver.run(through_faults(sent, dict(delays)))
    in_order = Receiver(FrameAssembler(codec_of(sent)))
    in_order.run(departures(sent))
    assert [f.data for f in receiver.frames] == [f.data for f in in_order.frames]


@given(streams, st.sets(st.integers(0, 150), max_size=30), st.floats(0, 0.05))
def test_retransmissions_mend_every_loss_but_the_tail(sent, losses, rtt_s):
    keyframe = next((i for i, frame in enumerate(sent) if frame.keyframe), len(sent) - 1)
    sent = sent[keyframe:]
    assembler = FrameAssembler(codec_of(sent))
    assembler.rtt_s = rtt_s
    receiver = Receiver(assembler)
    packets = {packet.sequence_number: packet for _, packet in departures(sent)}
    # Until the first keyframe has left (without markers: with the packet behind it) a newer one may
    # be jumped to; after the last packet nothing shows the gap.
    losses &= set(range(len(sent[0].packets) + 1, len(packets) - 1))

    def retransmit(sequence: int, now: float) -> None:
        receiver.schedule(now + rtt_s, packets[sequence])

    receiver.run(through_faults(sent, dict.fromkeys(losses, LOST)), retransmit)
    in_order = Receiver(FrameAssembler(codec_of(sent)))
    in_order.run(departures(sent))
    assert [f.data for f in receiver.frames] == [f.data for f in in_order.frames]
    assert assembler.statistics().recovered == len(losses) == len(receiver.nacks)


@given(streams, st.lists(st.integers(0, 150), max_size=5), st.lists(st.booleans(), max_size=8))
def test_it_recovers_at_the_next_whole_keyframe(sent, losses, keyframes):
    codec = codec_of(sent)
    last = sent[-1].packets[-1]
    more = stream(
        codec,
        [True, *keyframes, False],
        seed=1,
        first_sequence=(last.sequence_number + 1) % 2**16,
        first_timestamp=(sent[-1].timestamp + FRAME_TICKS * 40) % 2**32,
    )
    receiver = Receiver(FrameAssembler(codec))
    arrivals = through_faults(sent, dict.fromkeys(losses, LOST))
    receiver.run(arrivals + [(1 + at, packet) for at, packet in departures(more)])
    check_what_left(sent + more, receiver.frames)
    assert [frame.timestamp for frame in receiver.frames[-len(more) :]] == [
        frame.timestamp for frame in more
    ]
    assert receiver.assembler.due() is None


@given(codecs, st.integers(0, 65_535), st.integers(0, 65_535), st.integers(0, 3), st.booleans())
def test_a_restart_of_the_numbering_is_followed(codec, first, second, n_before, swap):
    before = stream(codec, [True] + [False] * n_before, first_sequence=first)
    after = stream(
        codec,
        [True, False, True, False],
        seed=1,
        first_sequence=second,
        first_timestamp=2**31,
        max_payload_bytes=20,
    )
    packets = [packet for frame in after for packet in frame.packets]
    if swap:
        packets[0], packets[1] = packets[1], packets[0]
    receiver = Receiver(FrameAssembler(codec))
    receiver.run(departures(before))
    receiver.run((1 + at / 1000, packet) for at, packet in enumerate(packets))
    left = check_what_left(before + after, receiver.frames)
    distance = (second - before[-1].packets[-1].sequence_number) % 2**16
    if distance > 1200 or distance == 1:  # otherwise it looks like a loss or a duplicate
        assert left == list(range(len(before) + len(after)))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 65_535), st.integers(0, 40)),
            st.integers(0, 3),
            st.binary(max_size=6),
            st.booleans(),
            st.floats(0, 0.05),
        ),
        max_size=60,
    ),
    codecs,
)
def test_any_packets_at_all_are_survived(packets, codec):
    assembler = FrameAssembler(codec)
    now = 0.0
    for sequence, timestamp, payload, marker, step in packets:
        now += step
        assembler.add(RtpPacket(96, marker, sequence, timestamp, 1, payload), now)
        assembler.take_nacks(now)
    assembler.poll(now + 1)
    assembler.need_keyframe(now + 1)
    assert assembler.due() is not None


def play(assembler: FrameAssembler, packets: Iterable[RtpPacket], at: float) -> list[int]:
    left = [assembler.add(packet, at) for packet in packets]
    return [frame.timestamp // FRAME_TICKS for frame in chain(*left)]


@pytest.fixture(params=["H264", "VP8"])
def codec(request):
    return request.param


def test_a_gap_holds_back_what_is_behind_it_until_it_is_filled(codec):
    sent = stream(codec, [True, False, False])
    assembler = FrameAssembler(codec)
    missing = sent[1].packets[0]
    assert play(assembler, sent[0].packets, 0.0) == [0]
    assert play(assembler, [*sent[1].packets[1:], *sent[2].packets], 0.01) == []
    assert assembler.take_nacks(0.01) == [missing.sequence_number]
    assert assembler.take_nacks(0.02) == []
    frames = assembler.add(missing, 0.05)
    assert [frame.data for frame in frames] == [sent[1].data, sent[2].data]
    assert [frame.arrival for frame in frames] == [0.05, 0.01]
    assert not assembler.take_keyframe_request(1.0)
    assert assembler.due() is None


def test_a_gap_is_asked_for_again_and_then_given_up(codec):
    sent = stream(codec, [True, False, False, False], sizes=(200,))
    assembler = FrameAssembler(codec, max_wait_s=0.12)
    assembler.rtt_s = 0.03
    play(assembler, sent[0].packets, 0.0)
    play(assembler, sent[1].packets[1:] + sent[2].packets, 1.0)
    asked = [now for now in (1.0, 1.03, 1.05, 1.08, 1.09) if assembler.take_nacks(now)]
    assert asked == [1.0, 1.05, 1.09]
    assert assembler.due() == pytest.approx(1.1)
    assert not assembler.take_keyframe_request(1.09)
    assert assembler.poll(1.09) == []
    assert assembler.poll(1.1) == []
    assert assembler.take_keyframe_request(1.1)
    assert not assembler.take_keyframe_request(1.2)
    assert assembler.due() == pytest.approx(1.6)
    assert assembler.take_keyframe_request(1.6)
    assert play(assembler, sent[3].packets, 1.61) == []
    assert assembler.add(sent[1].packets[0], 1.62) == []
    counts = assembler.statistics()
    assert (counts.late, counts.recovered, counts.frames_dropped) == (1, 0, 3)


def test_a_slow_path_waits_no_longer_than_the_limit(codec):
    sent = stream(codec, [True, False], sizes=(200,))
    assembler = FrameAssembler(codec, max_wait_s=0.12)
    play(assembler, sent[0].packets, 0.0)
    assembler.rtt_s = 0.1
    play(assembler, sent[1].packets[1:], 1.0)
    assert assembler.take_nacks(1.0)
    assert assembler.due() == pytest.approx(1.105)  # the second question
    assert assembler.take_nacks(1.11)
    assert assembler.due() == pytest.approx(1.12)  # the end of waiting
    assembler.rtt_s = 0.5  # no retransmission can come in time: wait for reordering only
    assert assembler.take_nacks(2.0) == []
    assert assembler.due() == pytest.approx(1.05)


def test_a_whole_keyframe_is_jumped_to_when_nothing_else_can_be_shown(codec):
    sent = stream(codec, [False, False, True, False])
    assembler = FrameAssembler(codec)
    assert play(assembler, sent[0].packets, 0.0) == []
    assert assembler.take_keyframe_request(0.0)
    assert play(assembler, sent[2].packets, 0.01) == [2]
    assert play(assembler, sent[3].packets, 0.01) == [3]
    assert assembler.due() is None


def test_a_keyframe_behind_a_gap_in_a_running_stream_waits_for_the_deadline(codec):
    sent = stream(codec, [True, False, True, False])
    assembler = FrameAssembler(codec)
    assembler.rtt_s = 0.01
    play(assembler, sent[0].packets, 0.0)
    assert play(assembler, sent[2].packets, 1.0) == []
    due = 1.05
    assert assembler.poll(due - 0.001) == []
    assert [frame.data for frame in assembler.poll(due + 0.001)] == [sent[2].data]
    assert not assembler.take_keyframe_request(due + 0.001)


def test_the_first_keyframe_is_asked_for_with_the_first_packet(codec):
    sent = stream(codec, [False, True], max_payload_bytes=10)
    assembler = FrameAssembler(codec)
    assert assembler.due() is None and not assembler.take_keyframe_request(0.0)
    assembler.add(sent[0].packets[0], 0.0)
    assert assembler.take_keyframe_request(0.0)
    joins_in_time = FrameAssembler(codec)
    joins_in_time.add(sent[1].packets[0], 0.0)
    assert not joins_in_time.take_keyframe_request(0.0)


def test_the_caller_may_ask_for_a_keyframe(codec):
    sent = stream(codec, [True, False, True, False])
    assembler = FrameAssembler(codec)
    assert play(assembler, sent[0].packets, 0.0) == [0]
    assembler.need_keyframe(0.1)
    assert assembler.due() == 0.1 and assembler.take_keyframe_request(0.1)
    assert play(assembler, sent[1].packets, 0.1) == []
    assert play(assembler, sent[2].packets + sent[3].packets, 0.2) == [2, 3]
    assert assembler.due() is None


def test_padding_fills_numbers_and_nothing_else(codec):
    sent = stream(codec, [True, False])
    n = len(sent[0].packets)
    padding = [RtpPacket(96, False, n + at, 0, 1, b"") for at in range(5)]
    later = [replace(p, sequence_number=p.sequence_number + 5) for p in sent[1].packets]
    assembler = FrameAssembler(codec)
    assert play(assembler, [*sent[0].packets, *padding, *later], 0.0) == [0, 1]
    assert assembler.statistics().frames_dropped == 0


def test_duplicates_and_late_packets_are_told_apart(codec):
    sent = stream(codec, [True, False, False])
    assembler = FrameAssembler(codec)
    play(assembler, sent[0].packets, 0.0)
    play(assembler, [sent[0].packets[0], *sent[2].packets], 0.0)
    play(assembler, sent[2].packets[:1], 0.0)
    assembler.poll(1.0)
    play(assembler, sent[1].packets[:1] * 2, 1.0)
    counts = assembler.statistics()
    assert (counts.duplicates, counts.late) == (3, 1)
    assert counts.packets == len(sent[0].packets) + len(sent[2].packets) + 4


def test_a_single_packet_from_far_away_changes_nothing(codec):
    sent = stream(codec, [True, False])
    stray = replace(sent[0].packets[0], sequence_number=20_000, timestamp=5)
    assembler = FrameAssembler(codec)
    assert play(assembler, [*sent[0].packets, stray, stray, *sent[1].packets], 0.0) == [0, 1]
    play(assembler, [replace(stray, sequence_number=20_001)], 5.0)
    assert not assembler.take_keyframe_request(5.0)


def test_what_waits_is_bounded_by_number_too(codec):
    assembler = FrameAssembler(codec, max_wait_s=1000)
    assembler.rtt_s = 400
    sent = stream(codec, [True, False])
    play(assembler, sent[0].packets, 0.0)
    packet = sent[1].packets[0]
    first = packet.sequence_number + 1
    for at in range(2 * MAX_WAITING):
        assembler.add(replace(packet, sequence_number=first + at, timestamp=9000 + at), 0.0)
    assert assembler.statistics().frames_dropped >= MAX_WAITING
    assert assembler.take_nacks(0.0) == []
    assert assembler.take_keyframe_request(0.0)


def test_parameter_sets_that_came_once_serve_every_keyframe():
    first = stream("H264", [True, False], sets_apart=True)
    later = stream("H264", [True], sets_apart=True, seed=3, first_timestamp=2 * FRAME_TICKS)
    slices = [p for p in later[0].packets if p.payload[0] & 0x1F not in (7, 8)]
    at = first[-1].packets[-1].sequence_number + 1
    slices = [replace(p, sequence_number=at + index) for index, p in enumerate(slices)]
    assembler = FrameAssembler("H264")
    play(assembler, [*first[0].packets, *first[1].packets], 0.0)
    frames = [frame for packet in slices for frame in assembler.add(packet, 0.1)]
    assert [frame.data for frame in frames] == [later[0].data]
    assert parameter_sets(0)[0] in frames[0].data


def test_a_sender_that_never_repeats_its_sets_is_believed_at_the_second_keyframe():
    sent = stream("H264", [True, False, True, True], sizes=(200,))
    for frame in sent[2:]:
        frame.packets[0] = replace(frame.packets[0], payload=b"")  # its sets were in that packet
    assembler = FrameAssembler("H264")
    play(assembler, sent[0].packets, 0.0)
    play(assembler, sent[1].packets[1:], 0.0)
    assembler.poll(1.0)
    assert play(assembler, sent[2].packets, 1.0) == []
    assert play(assembler, sent[3].packets, 1.0) == [3]


@pytest.mark.parametrize("seed", range(3))
def test_a_real_decoder_shows_the_same_pictures_without_those_that_were_lost(codec, seed):
    rng = random.Random(seed)
    frames = encoded(codec, [index % 6 == 0 for index in range(40)])
    packetiser = Packetiser(codec, 400)
    assembler, left, sequence = FrameAssembler(codec), list[AssembledFrame](), 0
    for index, data in enumerate(frames):
        payloads = packetiser.pack(data)
        for at, payload in enumerate(payloads):
            marker = at == len(payloads) - 1
            packet = RtpPacket(96, marker, sequence, index * FRAME_TICKS, 1, payload)
            sequence += 1
            if rng.random() > 0.01:
                left += assembler.add(packet, index * FRAME_S)
    pictures = decoded(codec, frames)
    kept = [pictures[frame.timestamp // FRAME_TICKS] for frame in left]
    assert decoded(codec, [frame.data for frame in left]) == kept
    assert 0 < len(kept) < len(pictures)


def test_unknown_codecs_are_refused():
    with pytest.raises(ValueError, match="AV1"):
        FrameAssembler("AV1")


def lines_run(work: Callable[[], object]) -> int:
    """Lines of Python that ``work`` runs: its cost on any machine."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_giving_up_many_gaps_at_once_costs_no_more_than_their_numbers():
    def cost(n_gaps: int) -> int:
        assembler = FrameAssembler("VP8")
        for index in range(n_gaps):
            assembler.add(RtpPacket(96, False, index * 31, index * 3000, 1, b"\x10\x01x"), 1.0)
        return lines_run(lambda: assembler.poll(2.0))

    assert cost(800) < 3 * cost(400)


def test_looking_for_a_whole_keyframe_costs_no_more_than_what_waits():
    def cost(n_starts: int) -> int:
        assembler = FrameAssembler("H264")
        assembler.add(RtpPacket(96, False, 0, 0, 1, b"\x41\x9axx"), 1.0)
        for index in range(n_starts):
            assembler.add(RtpPacket(96, False, 2 + index, 3000, 1, b"\x67\x42xx"), 1.0)
        last = RtpPacket(96, False, 2 + n_starts, 3000, 1, b"\x67\x42xx")
        return lines_run(lambda: assembler.add(last, 1.0))

    assert cost(200) < 3 * cost(100)
