"""Payloads of RTP packets -> one encoded frame: H.264 (RFC 6184) and VP8 (RFC 7741).

A depayloader is fed the packets of one frame in order, without gaps, and then asked for the frame.
It knows what a codec's bytes say about wholeness; sequence numbers are `media.assembly`'s.
"""

from __future__ import annotations

from typing import Protocol

START_CODE = b"\x00\x00\x00\x01"
# NAL unit types (ITU-T H.264 table 7-1; RFC 6184 table 1).
SLICE, IDR_SLICE, SPS, PPS, ACCESS_UNIT_DELIMITER, FILLER = 1, 5, 7, 8, 9, 12
END_OF_SEQUENCE, END_OF_STREAM = 10, 11
BARE = frozenset({ACCESS_UNIT_DELIMITER, END_OF_SEQUENCE, END_OF_STREAM})
"""Units that need nothing but their header byte, and that a decoder does not need."""
STAP_A, FU_A = 24, 28
MAX_PARAMETER_SET_BYTES = 4096
"""Real ones have 10 to 100 bytes; together with the number of identifiers it bounds the store."""
MAX_PARAMETER_SET_ID = {SPS: 31, PPS: 255}
"""ITU-T H.264 7.4.2.1.1 and 7.4.2.2."""
VP8_START_CODE = b"\x9d\x01\x2a"
"""Bytes 3 to 5 of a keyframe (RFC 6386 section 9.1)."""


class Depayloader(Protocol):
    """What `FrameAssembler` asks of a codec."""

    def begin(self, sure: bool) -> None:
        """Start a frame; ``sure`` when nothing is missing between it and the one before."""

    def add(self, payload: bytes) -> None:
        """Take the next packet's payload, which is not empty; one that makes no sense spoils it."""

    def spoil(self) -> None:
        """Give up this frame and release its bytes."""

    def finish(self) -> tuple[bytes, bool] | None:
        """Return the frame and whether it is a keyframe.

        None when it is incomplete or senseless. No bytes when it shows nothing by itself, as
        parameter sets alone do not; these are kept for the frames that follow.
        """

    def starts_keyframe(self, payload: bytes) -> bool:
        """Whether decoding can begin with the frame that begins with this packet."""
        ...


class Vp8Depayloader:
    """VP8: the descriptor is cut off; the first packet starts partition 0."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._spoilt = False

    def begin(self, sure: bool) -> None:
        # Every first packet says so itself, so nothing hangs on `sure`.
        self._parts = []
        self._spoilt = False

    def add(self, payload: bytes) -> None:
        if self._spoilt:
            return
        start = vp8_descriptor_bytes(payload)
        first = payload[0] & 0x17 == 0x10
        if start >= len(payload) or first == bool(self._parts):
            self.spoil()
        else:
            self._parts.append(payload[start:])

    def spoil(self) -> None:
        self._parts = []
        self._spoilt = True

    def finish(self) -> tuple[bytes, bool] | None:
        data = b"".join(self._parts)
        self._parts = []
        if self._spoilt or not data:
            return None
        keyframe = not data[0] & 1
        if keyframe and data[3:6] != VP8_START_CODE:
            return None
        return data, keyframe

    def starts_keyframe(self, payload: bytes) -> bool:
        start = vp8_descriptor_bytes(payload)
        return start < len(payload) and payload[0] & 0x17 == 0x10 and not payload[start] & 1


def vp8_descriptor_bytes(payload: bytes) -> int:
    """Length of the payload descriptor (RFC 7741 section 4.2); it may exceed a cut-off payload."""
    if not payload[0] & 0x80:
        return 1
    if len(payload) < 3:
        return 3
    extension = payload[1]
    size = 2
    if extension & 0x80:  # a picture ID, of 15 bits when its first bit is set
        size += 2 if payload[2] & 0x80 else 1
    if extension & 0x40:  # TL0PICIDX
        size += 1
    if extension & 0x30:  # TID and KEYIDX share a byte
        size += 1
    return size


class H264Depayloader:
    """H.264 in packetisation modes 0 and 1: single NAL units, STAP-A and FU-A to Annex B.

    Parameter sets are kept by their identifiers and written in front of every keyframe, so that a
    decoder can begin at any of them, wherever the sender put them: in the frame, in packets with a
    timestamp of their own, or once at the start. Delimiters, end marks and filler are dropped.

    Behind a gap the kept ones are doubtful, for new ones may be lost in it, or one of a pair. They
    are trusted again when both came anew, or when a keyframe brought none: that one is refused,
    and if the next one brings none either, this sender does not repeat them.
    """

    def __init__(self) -> None:
        self._sets: dict[tuple[int, int], bytes] = {}
        self._sets_pending = False  # some came since the last frame
        self._sets_doubtful = False
        self._sps_renewed = False  # since they are doubtful
        self._parts: list[bytes] = []
        self._fragment_type = 0  # of the FU-A in progress, 0 outside of one
        self._fragment_at = 0  # where in `_parts` it begins
        self._spoilt = False
        self._has_slice = False
        self._has_idr = False

    def begin(self, sure: bool) -> None:
        self._parts = []
        self._fragment_type = 0
        self._spoilt = self._has_slice = self._has_idr = False
        if not sure:
            self._sets_doubtful, self._sps_renewed = True, False

    def add(self, payload: bytes) -> None:
        if self._spoilt:
            return
        indicator = payload[0]
        kind = indicator & 0x1F
        if kind == FU_A and indicator < 0x80:
            self._add_fragment(payload)
        elif self._fragment_type or indicator > 0x7F:  # a fragment's end lacks; forbidden bit
            self.spoil()
        elif kind == STAP_A:
            self._add_aggregate(payload)
        elif 0 < kind < STAP_A:
            self._add_unit(payload)
        else:  # interleaved mode, never negotiated
            self.spoil()

    def spoil(self) -> None:
        self._parts = []
        self._fragment_type = 0
        self._spoilt = True

    def finish(self) -> tuple[bytes, bool] | None:
        parts, self._parts = self._parts, []
        if self._spoilt or self._fragment_type:
            return None
        if not self._has_slice:
            return b"", False
        if self._has_idr and not self._accept_sets():
            return None
        if self._has_idr or self._sets_pending:
            self._sets_pending = False
            parts = self._prefix() + parts
        return b"".join(parts), self._has_idr

    def starts_keyframe(self, payload: bytes) -> bool:
        kind = payload[0] & 0x1F
        return kind == SPS or (kind == STAP_A and len(payload) > 3 and payload[3] & 0x1F == SPS)

    def _add_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            self.spoil()
            return
        header = payload[1]
        kind = header & 0x1F
        if header & 0x80:
            if self._fragment_type or not 0 < kind < STAP_A or not self._note(kind, payload[2]):
                self.spoil()
                return
            self._fragment_type = kind
            self._fragment_at = len(self._parts)
            head = bytes((payload[0] & 0xE0 | kind,))
            self._parts += (START_CODE, head, payload[2:])
        elif kind and kind == self._fragment_type:
            self._parts.append(payload[2:])
        else:
            self.spoil()
            return
        if header & 0x40:
            self._fragment_type = 0
            if kind in (SPS, PPS):
                unit = b"".join(self._parts[self._fragment_at + 1 :])
                del self._parts[self._fragment_at :]
                self._keep_set(kind, unit)

    def _add_aggregate(self, payload: bytes) -> None:
        at, end = 1, len(payload)
        while at + 2 < end:
            size = int.from_bytes(payload[at : at + 2], "big")
            at += 2
            if not size or at + size > end:
                break
            self._add_unit(payload[at : at + size])
            at += size
        if at != end or end == 1:
            self.spoil()

    def _add_unit(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F
        if len(unit) < 2 and kind not in BARE:
            self.spoil()
        elif kind in (SPS, PPS):
            self._keep_set(kind, unit)
        elif kind == FILLER or kind in BARE:
            pass
        elif not 0 < kind < STAP_A or not self._note(kind, unit[1]):
            self.spoil()
        elif not self._spoilt:
            self._parts += (START_CODE, unit)

    def _note(self, kind: int, first_byte: int) -> bool:
        """Note what a unit is; False for a frame's first slice that does not begin at its top.

        A slice's first field is its first macroblock, in Exp-Golomb code: 0 is a single set bit.
        """
        if kind > IDR_SLICE:
            return True
        if not self._has_slice and not first_byte & 0x80:
            return False
        self._has_slice = True
        self._has_idr = self._has_idr or kind == IDR_SLICE
        return True

    def _keep_set(self, kind: int, unit: bytes) -> None:
        # An SPS has profile, constraints and level, a byte each, in front of its identifier.
        identifier = exp_golomb(unit, 4 if kind == SPS else 1)
        if len(unit) > MAX_PARAMETER_SET_BYTES or not 0 <= identifier <= MAX_PARAMETER_SET_ID[kind]:
            self.spoil()
            return
        self._sets[kind, identifier] = unit
        self._sets_pending = True
        if kind == SPS:
            self._sps_renewed = True
        elif self._sps_renewed:
            self._sets_doubtful = False

    def _accept_sets(self) -> bool:
        """Whether a keyframe can be decoded with what is kept."""
        if self._sets_doubtful:
            self._sets_doubtful = False
            return False
        kinds = {kind for kind, _ in self._sets}
        return SPS in kinds and PPS in kinds

    def _prefix(self) -> list[bytes]:
        """Sequence parameter sets before the picture parameter sets that refer to them."""
        return [part for key in sorted(self._sets) for part in (START_CODE, self._sets[key])]


def exp_golomb(data: bytes, at_byte: int) -> int:
    """Read an unsigned code of at most 17 bits (ITU-T H.264 section 9.1); -1 when there is none."""
    field = data[at_byte : at_byte + 3]
    bits = int.from_bytes(field, "big") << 8 * (3 - len(field))
    zeros = 24 - bits.bit_length()
    if zeros > 8 or 2 * zeros + 1 > 8 * len(field):
        return -1
    return (bits >> (23 - 2 * zeros)) - 1


def depayloader(codec: str) -> Depayloader:
    """Return a new one for ``codec``.

    Raises:
        ValueError: it is neither "H264" nor "VP8".

    """
    if codec == "H264":
        return H264Depayloader()
    if codec == "VP8":
        return Vp8Depayloader()
    raise ValueError(f"no depayloader for {codec!r}")
