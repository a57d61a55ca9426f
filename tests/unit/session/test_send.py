from __future__ import annotations

import pytest

from lightmill.media.rtp import EXTENSION_HEADER, ONE_BYTE_PROFILE, parse_rtp
from lightmill.session.send import BURST_PACKETS, _extension, _pause


@pytest.mark.parametrize(
    ("send_time_id", "mid_id", "mid", "elements"),
    [
        (3, 1, "0", b"\x32\x00\x00\x00\x10" + b"0" + bytes(2)),
        (3, None, "0", b"\x32\x00\x00\x00"),
        (None, 1, "video", b"\x14video" + bytes(2)),
        (None, None, "0", b""),
        (15, 200, "0", b""),  # ids that one-byte headers cannot say
        (None, 1, "m" * 17, b""),
    ],
)
def test_header_extensions_are_those_that_can_be_said(send_time_id, mid_id, mid, elements):
    extension, at = _extension(send_time_id, mid_id, mid)
    if not elements:
        assert (extension, at) == (b"", 0)
        return
    assert extension == EXTENSION_HEADER.pack(ONE_BYTE_PROFILE, len(elements) // 4) + elements
    if send_time_id:
        stamped = extension[:at] + b"\x01\x02\x03" + extension[at + 3 :]
        packet = parse_rtp(b"\x90\x60" + bytes(10) + stamped + b"payload", send_time_id)
        assert packet.abs_send_time == 0x010203 and packet.payload == b"payload"


@pytest.mark.parametrize("n_packets", [BURST_PACKETS + 1, 100, 1000])
def test_a_large_frame_leaves_within_its_time(n_packets):
    bursts = -(-n_packets // BURST_PACKETS)
    assert 0 < _pause(n_packets, 0.016) * (bursts - 1) <= 0.016
