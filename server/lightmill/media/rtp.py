"""RTP packets (RFC 3550) as the media path needs them: parsed and written with as little as it takes."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

HEADER = Struct("!BBHLL")
EXTENSION_HEADER = Struct("!HH")
ONE_BYTE_PROFILE = 0xBEDE
"""Header extensions with one-byte headers (RFC 8285 section 4.2)."""
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
"""6.18 fixed-point seconds, 24 bits, wrapping every 64 s."""
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32


@dataclass(slots=True)
class RtpPacket:
    """One packet without its header: ``payload`` has no padding, ``abs_send_time`` is raw 24 bits."""

    payload_type: int
    marker: bool
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    abs_send_time: int | None = None
    repeated: bool = False
    """Whether it came as a retransmission (RFC 4588); then the send time is that of the repeat."""


def parse_rtp(data: bytes, abs_send_time_id: int | None = None) -> RtpPacket:
    """Parse one decrypted packet.

    ``abs_send_time_id`` is the negotiated extension id of `ABS_SEND_TIME_URI`. Two-byte headers
    are skipped over: no peer negotiates them with us.

    Raises:
        ValueError: it is no RTP version 2, or shorter than its own lengths say.

    """
    if len(data) < HEADER.size:
        raise ValueError("shorter than an RTP header")
    first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("not RTP version 2")
    start, end = HEADER.size + 4 * (first & 0x0F), len(data)
    send_time = None
    if first & 0x10:
        if end < start + EXTENSION_HEADER.size:
            raise ValueError("truncated extension header")
        profile, words = EXTENSION_HEADER.unpack_from(data, start)
        start += EXTENSION_HEADER.size
        if profile == ONE_BYTE_PROFILE and abs_send_time_id is not None:
            send_time = _abs_send_time(data[start : start + 4 * words], abs_send_time_id)
        start += 4 * words
    if first & 0x20:
        end -= data[-1] or len(data)
    if start > end:
        raise ValueError("the payload would be shorter than nothing")
    return RtpPacket(
        second & 0x7F, second > 0x7F, sequence_number, timestamp, ssrc, data[start:end], send_time
    )


def _abs_send_time(extension: bytes, wanted: int) -> int | None:
    at = 0
    while at < len(extension):
        head = extension[at]
        if not head:  # padding
            at += 1
            continue
        length = (head & 0x0F) + 1
        if head >> 4 == wanted:
            value = extension[at + 1 : at + 1 + length]
            return int.from_bytes(value, "big") if len(value) == 3 else None
        at += 1 + length
    return None


def sequence_after(first: int, second: int) -> int:
    """Steps from ``first`` to ``second``, in [-32768, 32767]; positive when ``second`` is newer."""
    return (second - first + (1 << 15)) % SEQUENCE_MODULUS - (1 << 15)


def timestamp_after(first: int, second: int) -> int:
    """Ticks from ``first`` to ``second``, in [-2^31, 2^31); positive when ``second`` is later."""
    return (second - first + (1 << 31)) % TIMESTAMP_MODULUS - (1 << 31)
