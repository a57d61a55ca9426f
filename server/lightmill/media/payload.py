"""One encoded frame -> payloads of RTP packets: H.264 (RFC 6184) and VP8 (RFC 7741)."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

from lightmill.media.depayload import ACCESS_UNIT_DELIMITER, FU_A, IDR_SLICE, STAP_A

MAX_PAYLOAD_BYTES = 1200
"""With all headers below 1280 bytes, which every IPv6 path carries unfragmented (RFC 8200)."""
START_CODE = b"\x00\x00\x01"
FU_A_HEADER_BYTES = 2
VP8_DESCRIPTOR_BYTES = 4
PICTURE_ID_MODULUS = 1 << 15


class Payloader(Protocol):
    """What `Packetiser` asks of a codec."""

    def pack(self, data: bytes) -> list[bytes]: ...


class Packetiser:
    """Cuts the frames of one stream; its payloads may go to any number of viewers.

    A frame's fragments differ in size by a byte at most, so that none is a wasteful rest.
    """

    def __init__(self, codec: str, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        """Begin a stream of ``codec``, "H264" or "VP8".

        Raises:
            ValueError: the codec is unknown, or no payload fits into ``max_payload_bytes``.

        """
        if max_payload_bytes <= VP8_DESCRIPTOR_BYTES:
            raise ValueError(f"max_payload_bytes is too small: {max_payload_bytes}")
        self._payloader: Payloader
        if codec == "H264":
            self._payloader = H264Payloader(max_payload_bytes)
        elif codec == "VP8":
            self._payloader = Vp8Payloader(max_payload_bytes)
        else:
            raise ValueError(f"no payload format for {codec!r}")

    def pack(self, data: bytes) -> list[bytes]:
        """Return one frame's payloads, in order; the last one's packet carries the marker bit.

        H.264 comes as Annex B, an access unit at a time. Nothing is packed into nothing.
        """
        return self._payloader.pack(data)


class H264Payloader:
    """Slices as single NAL units or FU-A; what is in front of them together, as STAP-A."""

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_bytes = max_payload_bytes

    def pack(self, data: bytes) -> list[bytes]:
        payloads: list[bytes] = []
        small: list[bytes] = []
        size = 1
        for unit in split_annex_b(data):
            kind = unit[0] & 0x1F
            if kind == ACCESS_UNIT_DELIMITER:
                continue
            joins = kind > IDR_SLICE and 3 + len(unit) <= self._max_bytes
            if small and not (joins and size + 2 + len(unit) <= self._max_bytes):
                payloads.append(aggregate(small))
                small, size = [], 1
            if joins:
                small.append(unit)
                size += 2 + len(unit)
            elif len(unit) <= self._max_bytes:
                payloads.append(unit)
            else:
                payloads += fragment(unit, self._max_bytes)
        if small:
            payloads.append(aggregate(small))
        return payloads


class Vp8Payloader:
    """A descriptor with a 15-bit picture ID that grows by one a frame, from ``picture_id`` on."""

    def __init__(self, max_payload_bytes: int, picture_id: int = 0) -> None:
        self._max_bytes = max_payload_bytes - VP8_DESCRIPTOR_BYTES
        self._picture_id = picture_id

    def pack(self, data: bytes) -> list[bytes]:
        if not data:
            return []
        # X set; in the extension, I set; the picture ID's first bit says that it has 15 bits.
        tail = bytes((0x80, 0x80 | self._picture_id >> 8, self._picture_id & 0xFF))
        self._picture_id = (self._picture_id + 1) % PICTURE_ID_MODULUS
        head = b"\x90" + tail  # S: the partition starts here
        payloads: list[bytes] = []
        for start, end in even_cuts(0, len(data), self._max_bytes):
            payloads.append(head + data[start:end])
            head = b"\x80" + tail
        return payloads


def split_annex_b(data: bytes) -> list[bytes]:
    """Return the NAL units between the start codes, which have three bytes or four."""
    units: list[bytes] = []
    at = data.find(START_CODE)
    while at >= 0:
        start = at + len(START_CODE)
        at = data.find(START_CODE, start)
        # No unit ends in a zero byte, so zeros before a start code belong to that (Annex B.1).
        unit = (data[start:at] if at >= 0 else data[start:]).rstrip(b"\x00")
        if unit:
            units.append(unit)
    return units


def aggregate(units: list[bytes]) -> bytes:
    """Return the units as one STAP-A (RFC 6184 section 5.7.1), or the only one as it is."""
    if len(units) == 1:
        return units[0]
    importance = max(unit[0] & 0x60 for unit in units)
    parts = [bytes((importance | STAP_A,))]
    for unit in units:
        parts += (len(unit).to_bytes(2, "big"), unit)
    return b"".join(parts)


def fragment(unit: bytes, max_payload_bytes: int) -> list[bytes]:
    """Cut one NAL unit that exceeds ``max_payload_bytes`` into FU-A (RFC 6184 section 5.8)."""
    indicator, kind = unit[0] & 0x60 | FU_A, unit[0] & 0x1F
    head = bytes((indicator, kind))
    cuts = even_cuts(1, len(unit), max_payload_bytes - FU_A_HEADER_BYTES)
    payloads = [head + unit[start:end] for start, end in cuts]
    payloads[0] = bytes((indicator, 0x80 | kind)) + payloads[0][FU_A_HEADER_BYTES:]
    payloads[-1] = bytes((indicator, 0x40 | kind)) + payloads[-1][FU_A_HEADER_BYTES:]
    return payloads


def even_cuts(start: int, end: int, max_bytes: int) -> list[tuple[int, int]]:
    """Cut [start, end) into as few pieces as fit ``max_bytes``, none larger than another by 2."""
    size = end - start
    pieces = -(-size // max_bytes)
    ends = [start + size * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(ends))
