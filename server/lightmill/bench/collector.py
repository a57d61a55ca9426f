"""RTP packets become complete encoded frames at their marker packet. Pure.

Cheaper and stricter than a player: a frame whose packets do not all come within ``deadline_s`` is
given up, and nothing is delivered from there to the next keyframe, since it would not be whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightmill.media.rtp import RtpPacket, sequence_after

DEADLINE_S = 0.25
"""How long a missing packet may hold up the frames behind it."""
RENACK_S = 0.05
"""Seconds after which a packet that is still missing is asked for again."""
MAX_GAP = 500
"""A jump of more packets than this is a new stream, not a loss."""
H264_IDR, H264_SPS, H264_STAP_A, H264_FU_A = 5, 7, 24, 28
"""NAL unit types (RFC 6184 section 5.2)."""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """A whole frame as RTP payloads."""

    timestamp: int
    payloads: list[bytes]
    keyframe: bool


@dataclass(slots=True)
class Counts:
    """What happened so far."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    """Packets that did not come in their turn and were not repaired in time."""
    repaired: int = 0
    """Packets that came late: retransmitted or reordered."""
    frames: int = 0
    given_up: int = 0
    """Frames that stayed incomplete."""
    undecodable: int = 0
    """Complete frames that were passed over while a keyframe was awaited."""


class FrameCollector:
    """One video stream. Times are seconds of one monotonic clock."""

    def __init__(self, codec: str, deadline_s: float = DEADLINE_S) -> None:
        self.counts = Counts()
        self.needs_keyframe = True
        self._codec = codec
        self._deadline_s = deadline_s
        self._packets: dict[int, RtpPacket] = {}
        self._missing: dict[int, float] = {}  # when it was last asked for, by sequence number
        self._first = self._scanned = self._highest = 0
        self._blocked_since: float | None = None
        self._started = False

    def add(self, packet: RtpPacket, now: float) -> list[EncodedFrame]:
        """The frames that this packet completes, in order."""
        self.counts.packets += 1
        self.counts.bytes += len(packet.payload)
        number = self._place(packet)
        if number < self._scanned or number in self._packets:
            return []
        for skipped in range(self._highest + 1, number):
            self._missing[skipped] = 0.0
        if self._missing.pop(number, None) is not None:
            self.counts.repaired += 1
        self._highest = max(self._highest, number)
        self._packets[number] = packet
        frames = self._complete()
        while self._stuck(now):
            self._give_up(now)
            frames += self._complete()
        return frames

    def wanted(self, now: float) -> list[int]:
        """Sequence numbers to ask for now."""
        if not self._missing:
            return []
        due = [number for number, asked in self._missing.items() if now - asked >= RENACK_S]
        for number in due:
            self._missing[number] = now
        return [number % (1 << 16) for number in due]

    def _place(self, packet: RtpPacket) -> int:
        """The packet's sequence number without wrap."""
        if self._started:
            step = sequence_after(self._highest % (1 << 16), packet.sequence_number)
            if abs(step) <= MAX_GAP:
                return self._highest + step
            self.needs_keyframe = True
        self._started = True
        self._packets.clear()
        self._missing.clear()
        self._blocked_since = None
        number = packet.sequence_number + (1 << 16)
        self._first = self._scanned = number
        self._highest = number - 1
        return number

    def _complete(self) -> list[EncodedFrame]:
        frames: list[EncodedFrame] = []
        while (packet := self._packets.get(self._scanned)) is not None:
            self._scanned += 1
            self._blocked_since = None
            if packet.marker:
                frame = self._take()
                if frame is not None:
                    frames.append(frame)
        return frames

    def _take(self) -> EncodedFrame | None:
        packets = [self._packets.pop(number) for number in range(self._first, self._scanned)]
        self._first = self._scanned
        payloads = [packet.payload for packet in packets if packet.payload]
        keyframe = bool(payloads) and starts_keyframe(self._codec, payloads[0])
        if self.needs_keyframe and not keyframe:
            self.counts.undecodable += 1
            return None
        self.needs_keyframe = False
        self.counts.frames += 1
        return EncodedFrame(packets[-1].timestamp, payloads, keyframe)

    def _stuck(self, now: float) -> bool:
        if self._scanned > self._highest:
            return False
        if self._blocked_since is None:
            self._blocked_since = now
        return now - self._blocked_since >= self._deadline_s

    def _give_up(self, now: float) -> None:
        """Pass over the frame with the first missing packet, to behind its marker if it came."""
        end = self._scanned
        while end <= self._highest:
            packet = self._packets.get(end)
            end += 1
            if packet is not None and packet.marker:
                break
        for number in range(self._first, end):
            self._packets.pop(number, None)
            if self._missing.pop(number, None) is not None:
                self.counts.lost += 1
        self._first = self._scanned = end
        self._blocked_since = None
        self.needs_keyframe = True
        self.counts.given_up += 1


def starts_keyframe(codec: str, payload: bytes) -> bool:
    """Whether this first payload of a frame opens a keyframe."""
    return _h264_keyframe(payload) if codec == "H264" else _vp8_keyframe(payload)


def _h264_keyframe(payload: bytes) -> bool:
    kind = payload[0] & 0x1F
    if kind == H264_FU_A and len(payload) > 1:
        kind = payload[1] & 0x1F if payload[1] & 0x80 else 0
    elif kind == H264_STAP_A and len(payload) > 3:
        kind = payload[3] & 0x1F
    return kind in (H264_IDR, H264_SPS)


def _vp8_keyframe(payload: bytes) -> bool:
    """Reads past the payload descriptor (RFC 7741 section 4.2) to the frame's P bit."""
    at = 1
    if payload[0] & 0x80 and len(payload) > 2:
        extensions = payload[1]
        at = 2
        if extensions & 0x80:
            at += 2 if payload[2] & 0x80 else 1
        at += bool(extensions & 0x40) + bool(extensions & 0x30)
    starts = payload[0] & 0x10 and not payload[0] & 0x07
    return bool(starts) and len(payload) > at and not payload[at] & 1
