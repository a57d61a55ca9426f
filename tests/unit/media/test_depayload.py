import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.depayload import (
    H264Depayloader,
    Vp8Depayloader,
    depayloader,
    exp_golomb,
    vp8_descriptor_bytes,
)
from tests.unit.media.streams import annex_b, h264_slices, noise, parameter_sets

SPS, PPS = parameter_sets(0)
IDR = b"\x65\x88\x11"
P = b"\x41\x88\x22"
SEI = b"\x06\x05\x01\x02"


def fed(target, payloads, sure=True):
    target.begin(sure)
    for payload in payloads:
        target.add(payload)
    return target.finish()


def fu_a(unit, *cuts):
    edges = [1, *cuts, len(unit)]
    flags = [0] * (len(edges) - 1)
    flags[0] |= 0x80
    flags[-1] |= 0x40
    return [
        bytes((unit[0] & 0xE0 | 28, flag | unit[0] & 0x1F)) + unit[start:end]
        for flag, start, end in zip(flags, edges, edges[1:], strict=False)
    ]


def stap_a(*units):
    return b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def test_h264_knows_single_units_aggregates_and_fragments():
    big = IDR + noise(random.Random(0), 50)
    payloads = [stap_a(SPS, PPS), SEI, *fu_a(big, 10, 30)]
    assert fed(H264Depayloader(), payloads) == (annex_b([SPS, PPS, SEI, big]), True)
    assert fed(H264Depayloader(), [SPS, PPS, IDR, b"\x65\x40"]) == (
        annex_b([SPS, PPS, IDR, b"\x65\x40"]),
        True,
    )


@pytest.mark.parametrize("mark", [b"\x0a", b"\x0b"])
def test_h264_takes_a_frame_that_ends_the_sequence_or_the_stream(mark):
    kept = annex_b([SPS, PPS, IDR])
    assert fed(H264Depayloader(), [SPS, PPS, IDR, mark]) == (kept, True)
    assert fed(H264Depayloader(), [stap_a(SPS, PPS, IDR, mark)]) == (kept, True)


@given(st.data(), st.integers(1, 3), st.integers(4, 300))
def test_h264_refuses_fragments_without_their_ends(data, n_slices, size):
    slices = h264_slices(random.Random(size), False, n_slices, size)
    units = [
        fu_a(unit, *sorted(data.draw(st.sets(st.integers(2, len(unit) - 1), min_size=1))))
        for unit in slices
    ]
    target = H264Depayloader()
    assert fed(target, [part for unit in units for part in unit]) == (annex_b(slices), False)
    del data.draw(st.sampled_from(units))[data.draw(st.sampled_from([0, -1]))]
    assert fed(target, [part for unit in units for part in unit]) is None


@pytest.mark.parametrize(
    "payloads",
    [
        fu_a(P + b"abcdef", 4, 6)[1:],
        fu_a(P + b"abcdef", 4, 6)[:-1],
        [*fu_a(P + b"abcdef", 4)[:1], P],
        [*fu_a(P + b"abcdef", 4)[:1], *fu_a(P + b"abcdef", 4)],
        [fu_a(P + b"abcdef", 4)[0], fu_a(IDR + b"abcdef", 4)[1]],
        [b"\x5c\x81"],
        [b"\x41\x48\x22"],
        [b"\xc1\x88\x22"],
        [b"\x41"],
        [b"\x59" + P],
        [b"\x78"],
        [stap_a(P)[:-1]],
        [stap_a(P) + b"\0"],
        [stap_a(P) + b"\0\0\1"],
        [b"\x78\0\0"],
        [stap_a(stap_a(P))],
        [b"\x67\x42\xc0", PPS, IDR],
        [SPS + bytes(5000), PPS, IDR],
    ],
)
def test_h264_refuses_what_makes_no_sense(payloads):
    target = H264Depayloader()
    assert fed(target, [SPS, PPS]) == (b"", False)
    assert fed(target, payloads) is None
    assert fed(target, [IDR]) == (annex_b([SPS, PPS, IDR]), True)


def test_h264_keeps_parameter_sets_from_wherever_they_come():
    target = H264Depayloader()
    assert fed(target, [IDR]) is None
    assert fed(target, [SPS]) == (b"", False)
    assert fed(target, [IDR]) is None
    assert fed(target, [PPS]) == (b"", False)
    assert fed(target, [IDR]) == (annex_b([SPS, PPS, IDR]), True)
    assert fed(target, [P]) == (annex_b([P]), False)
    assert fed(target, [*fu_a(SPS, 3), PPS, P]) == (annex_b([SPS, PPS, P]), False)
    assert fed(target, [b"\x09\x30", IDR, b"\x0c\xff\x80"]) == (annex_b([SPS, PPS, IDR]), True)
    second = b"\x68\x40\x01"  # identifier 1
    assert fed(target, [second, IDR]) == (annex_b([SPS, PPS, second, IDR]), True)


def test_h264_does_not_trust_old_parameter_sets_behind_a_gap():
    target = H264Depayloader()
    assert fed(target, [SPS, PPS]) == (b"", False)
    assert fed(target, [P], sure=False) is not None
    assert fed(target, [IDR]) is None
    assert fed(target, [IDR]) == (annex_b([SPS, PPS, IDR]), True)  # it does not repeat them
    new = parameter_sets(1)
    assert fed(target, [new[1], IDR], sure=False) is None
    assert fed(target, [*new, IDR]) == (annex_b([*new, IDR]), True)
    newer = parameter_sets(2)
    assert fed(target, [*newer, IDR], sure=False) == (annex_b([*newer, IDR]), True)


def test_a_spoilt_frame_does_not_spoil_the_next():
    for target, good in ((H264Depayloader(), P), (Vp8Depayloader(), b"\x10\x11\x22")):
        target.begin(True)
        target.add(good)
        target.spoil()
        target.add(good)
        assert target.finish() is None
        assert fed(target, [good]) is not None


@pytest.mark.parametrize(
    ("payload", "starts"),
    [(SPS, True), (stap_a(SPS, PPS), True), (b"\x78\0", False), (PPS, False), (P, False)],
)
def test_h264_keyframes_start_with_their_parameter_sets(payload, starts):
    assert H264Depayloader().starts_keyframe(payload) == starts


KEY = b"\x10\x02\x00\x9d\x01\x2a\x80\x02"


@pytest.mark.parametrize(
    "descriptor",
    [
        b"\x10",
        b"\x90\x00",
        b"\x90\x80\x7f",
        b"\x90\x80\xff\xff",
        b"\x90\x40\x05",
        b"\x90\x20\x20",
        b"\x90\x10\x01",
        b"\x90\x30\x01",
        b"\xb0\xf0\x81\x23\x05\x21",
    ],
)
def test_vp8_cuts_every_descriptor_off(descriptor):
    payload = descriptor + KEY
    assert vp8_descriptor_bytes(payload) == len(descriptor)
    target = Vp8Depayloader()
    assert target.starts_keyframe(payload)
    assert fed(target, [payload, b"\x00ab", b"\x11cd"]) == (KEY + b"abcd", True)
    for cut in range(1, len(descriptor) + 1):
        assert not target.starts_keyframe(payload[:cut])
        assert fed(target, [payload[:cut]]) is None


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x00" + KEY],
        [b"\x11" + KEY],
        [b"\x10" + KEY, b"\x10" + KEY],
        [b"\x10" + b"\x10\x02\x00\x9d\x01\x2b"],
        [],
    ],
)
def test_vp8_refuses_what_makes_no_sense(payloads):
    assert fed(Vp8Depayloader(), payloads) is None


def test_vp8_tells_keyframes_from_others():
    target = Vp8Depayloader()
    assert not target.starts_keyframe(b"\x10\x11")
    assert not target.starts_keyframe(b"\x00\x10")
    assert fed(target, [b"\x10\x11\x22"]) == (b"\x11\x22", False)


@given(st.sampled_from(["H264", "VP8"]), st.lists(st.binary(min_size=1, max_size=12)))
def test_any_payloads_are_survived(codec, payloads):
    target = depayloader(codec)
    for payload in payloads:
        target.starts_keyframe(payload)
    whole = fed(target, payloads)
    assert whole is None or isinstance(whole[0], bytes)


@given(st.integers(0, 255), st.binary(max_size=3), st.binary(max_size=3))
def test_exp_golomb_reads_what_the_standard_writes(value, before, after):
    bits = bin(value + 1)[2:]
    code = "0" * (len(bits) - 1) + bits
    code += "1" * (-len(code) % 8)
    data = before + int(code, 2).to_bytes(len(code) // 8, "big") + after
    assert exp_golomb(data, len(before)) == value
    assert exp_golomb(data[: len(before)], len(before)) == -1


def test_exp_golomb_does_not_read_past_the_end():
    assert exp_golomb(b"\x01", 0) == exp_golomb(b"\x00\x00\xff", 0) == -1
