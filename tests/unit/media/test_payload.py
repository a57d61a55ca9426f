import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.assembly import FrameAssembler
from lightmill.media.depayload import vp8_descriptor_bytes
from lightmill.media.payload import Packetiser, even_cuts, split_annex_b
from lightmill.media.rtp import RtpPacket
from tests.unit.media.streams import (
    annex_b,
    decoded,
    encoded,
    h264_slices,
    noise,
    parameter_sets,
    vp8_frame,
)


def received(codec, frames):
    """What an assembler makes of frames, each a list of payloads."""
    assembler, left, sequence = FrameAssembler(codec), [], 65_500
    for index, payloads in enumerate(frames):
        for at, payload in enumerate(payloads):
            marker = at == len(payloads) - 1
            packet = RtpPacket(96, marker, sequence % 2**16, index * 3000, 1, payload)
            sequence += 1
            left += assembler.add(packet, index / 30)
    return left


@given(
    st.sampled_from(["H264", "VP8"]),
    st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 900)), max_size=6),
    st.integers(10, 1200),
)
def test_what_is_packed_comes_out_again(codec, plan, max_payload_bytes):
    rng = random.Random(0)
    packetiser = Packetiser(codec, max_payload_bytes)
    sent, packed = [], []
    for index, (keyframe, n_slices, size) in enumerate([(True, 1, 50), *plan]):
        if codec == "VP8":
            sent.append(vp8_frame(rng, keyframe, size))
        else:
            sets = parameter_sets(index) if keyframe else [b"\x06" + noise(rng, 5)]
            sent.append(annex_b(sets + h264_slices(rng, keyframe, n_slices, size)))
        packed.append(packetiser.pack(sent[-1]))
        assert max(map(len, packed[-1])) <= max_payload_bytes
    assert [frame.data for frame in received(codec, packed)] == sent


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_real_encoders_stream_decodes_to_the_same_pictures(codec):
    frames = encoded(codec, [index in (0, 4) for index in range(6)])
    packetiser = Packetiser(codec)
    left = received(codec, [packetiser.pack(data) for data in frames])
    assert [frame.keyframe for frame in left] == [index in (0, 4) for index in range(6)]
    assert decoded(codec, [frame.data for frame in left]) == decoded(codec, frames)
    assert len(decoded(codec, [frame.data for frame in left[4:]])) == 2


def test_h264_sets_travel_together_and_delimiters_not_at_all():
    sps, pps = parameter_sets(0)
    sei, idr = b"\x06\x01\x02", b"\x65\x88\x01"
    payloads = Packetiser("H264").pack(annex_b([b"\x09\x10", sps, pps, sei, idr, sei]))
    together = b"\x78" + b"".join(bytes((0, len(unit))) + unit for unit in (sps, pps, sei))
    assert payloads == [together, idr, sei]
    assert Packetiser("H264", 8).pack(annex_b([sps, pps]))[0] == sps


def test_annex_b_is_split_at_either_start_code():
    assert split_annex_b(b"\0\0\0\1ab\0\0\1cd\0\0\0\0\1e\0\0\1") == [b"ab", b"cd", b"e"]
    assert split_annex_b(b"ab") == split_annex_b(b"") == []


def test_vp8_picture_ids_have_fifteen_bits_and_grow_by_one_a_frame():
    packetiser = Packetiser("VP8", 60)
    frame = vp8_frame(random.Random(0), False, 100)
    seen = []
    for _ in range(2**15 + 2):
        payloads = packetiser.pack(frame)
        ids = {payload[1:4] for payload in payloads}
        assert len(payloads) == 2 and len(ids) == 1
        assert [payload[0] for payload in payloads] == [0x90, 0x80]
        assert vp8_descriptor_bytes(payloads[0]) == 4
        seen.append(int.from_bytes(ids.pop()[1:], "big") - 2**15)
    assert seen == [*range(2**15), 0, 1]


@given(st.integers(0, 5), st.integers(1, 5000), st.integers(1, 1300))
def test_pieces_are_few_and_even(start, size, max_bytes):
    cuts = even_cuts(start, start + size, max_bytes)
    sizes = [end - begin for begin, end in cuts]
    assert cuts[0][0] == start and cuts[-1][1] == start + size
    assert all(one[1] == two[0] for one, two in pairwise(cuts))
    assert len(cuts) == -(-size // max_bytes)
    assert max(sizes) <= max_bytes and max(sizes) - min(sizes) <= 1


def test_nothing_is_packed_into_nothing_and_nonsense_is_refused():
    assert Packetiser("VP8").pack(b"") == Packetiser("H264").pack(b"") == []
    with pytest.raises(ValueError, match="AV1"):
        Packetiser("AV1")
    with pytest.raises(ValueError, match="too small"):
        Packetiser("H264", 4)
