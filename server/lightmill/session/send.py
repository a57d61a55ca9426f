"""One viewer's RTP stream: headers, pacing, retransmissions, and what the viewer says back."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from time import monotonic, time
from typing import Protocol

from aiortc import RTCRtpSender

from lightmill.media.frames import OutgoingFrame
from lightmill.media.rtp import (
    EXTENSION_HEADER,
    HEADER,
    ONE_BYTE_PROFILE,
    SEQUENCE_MODULUS,
    TIMESTAMP_MODULUS,
)
from lightmill.session.aiortc_seam import RtpWire
from lightmill.session.sender_seam import SenderPort

HISTORY_PACKETS = 1024
"""Packets kept for retransmission: 1.2 s at 8 Mbit/s."""
BURST_PACKETS = 16
"""Packets that leave at once; what a frame has beyond them is paced."""
PACE_STEP_S = 0.004
LAST_ONE_BYTE_ID, LONGEST_ELEMENT_BYTES = 14, 16
"""Limits of one-byte header extensions (RFC 8285 section 4.2); what exceeds them is left out."""
NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900 (NTP, RFC 5905) to 1970 (Unix)."""


class FrameSource(Protocol):
    """What a sender sends. Raises `Closed` at the end."""

    async def recv(self) -> OutgoingFrame: ...


class ViewerFeedback(Protocol):
    """What a viewer says about what it gets; called in the loop's thread."""

    def keyframe_wanted(self) -> None: ...

    def estimate(self, bitrate_bps: int) -> None:
        """The viewer sees room for this much (REMB)."""
        ...

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None:
        """Share of packets lost since the last report, round-trip time, newest packet seen."""
        ...

    def sent(self, sequence_number: int, size_bytes: int) -> None:
        """A packet has left for the first time."""
        ...

    def may_repeat(self, sequence_number: int, size_bytes: int) -> bool:
        """Whether a packet that the viewer misses may be sent again."""
        ...


class RtpSender:
    """Sends the frames of ``source`` to one viewer, from connection to close.

    A frame of more than ``BURST_PACKETS`` (a keyframe, mostly) is spread over its ``pace_s``, so
    that it does not overrun a small buffer on the way. Retransmissions (RFC 4588 where it was
    negotiated) are taken from the last ``HISTORY_PACKETS``, back to the last keyframe.
    """

    def __init__(
        self,
        wire: RtpWire,
        sender: RTCRtpSender,
        source: FrameSource,
        feedback: ViewerFeedback,
        on_failure: Callable[[], None],
    ) -> None:
        self._source = source
        self._feedback = feedback
        self._on_failure = on_failure
        self._history: deque[tuple[int, bool, bytes]] = deque(maxlen=HISTORY_PACKETS)
        self._since_keyframe = 0
        # The lower half: a wrap soon after the start would confuse SRTP (RFC 3711 section 3.3.1).
        self._next_sequence = secrets.randbelow(1 << 15)
        self._rtx_sequence = secrets.randbelow(1 << 15)
        self._timestamp_origin = secrets.randbits(32)
        self._payload_type = 0
        self._extension = b""
        self._send_time_at = 0
        self.packets = 0
        self.size_bytes = 0
        self._port = SenderPort(wire, sender, self, self._run)

    async def _run(self, payload_type: int) -> None:
        self._payload_type = payload_type
        self._extension, self._send_time_at = _extension(
            *self._port.extension_ids(), self._port.mid
        )
        while True:
            frame = await self._source.recv()
            await self._send_frame(frame)

    async def _send_frame(self, frame: OutgoingFrame) -> None:
        payloads = frame.payloads
        last = len(payloads) - 1
        if frame.keyframe:
            self._since_keyframe = 0
        pause_s, started = _pause(len(payloads), frame.pace_s), monotonic()
        timestamp = (self._timestamp_origin + frame.timestamp) % TIMESTAMP_MODULUS
        for start in range(0, len(payloads), BURST_PACKETS):
            if start:
                until = started + pause_s * (start // BURST_PACKETS)
                await asyncio.sleep(max(0.0, until - monotonic()))
            extension = self._stamped_extension()
            for index in range(start, min(start + BURST_PACKETS, last + 1)):
                marker = frame.marker and index == last
                self._send_packet(timestamp, marker, payloads[index], extension)
        wall = frame.at - monotonic() + time() + NTP_EPOCH_OFFSET_S
        self._port.note_sent(int(wall * (1 << 32)), timestamp, self.packets, self.size_bytes)

    def _send_packet(self, timestamp: int, marker: bool, payload: bytes, extension: bytes) -> None:
        sequence, port = self._next_sequence, self._port
        self._next_sequence = (sequence + 1) % SEQUENCE_MODULUS
        self._history.append((timestamp, marker, payload))
        header = HEADER.pack(
            0x90 if extension else 0x80,
            self._payload_type | marker << 7,
            sequence,
            timestamp,
            port.ssrc,
        )
        port.send(header + extension + payload)
        self.packets += 1
        self.size_bytes += len(payload)
        self._since_keyframe += 1
        self._feedback.sent(sequence, len(payload))

    def _stamped_extension(self) -> bytes:
        """The header extensions with the time of sending."""
        at = self._send_time_at
        if not at:
            return self._extension
        send_time = int(time() * (1 << 18)) & 0xFFFFFF
        return self._extension[:at] + send_time.to_bytes(3, "big") + self._extension[at + 3 :]

    def retransmit(self, sequence_number: int) -> None:
        age = (self._next_sequence - sequence_number) % SEQUENCE_MODULUS
        if not 0 < age <= len(self._history):
            return
        if age > self._since_keyframe or not self._feedback.may_repeat(
            sequence_number, len(self._history[-age][2])
        ):
            return
        timestamp, marker, payload = self._history[-age]
        port, payload_type, ssrc = self._port, self._payload_type, self._port.ssrc
        sequence = sequence_number
        if port.rtx_payload_type is not None:
            payload = sequence_number.to_bytes(2, "big") + payload
            payload_type, ssrc = port.rtx_payload_type, port.rtx_ssrc
            sequence = self._rtx_sequence
            self._rtx_sequence = (sequence + 1) % SEQUENCE_MODULUS
        extension = self._stamped_extension()
        header = HEADER.pack(
            0x90 if extension else 0x80, payload_type | marker << 7, sequence, timestamp, ssrc
        )
        port.send(header + extension + payload)

    def keyframe_wanted(self) -> None:
        self._feedback.keyframe_wanted()

    def failed(self) -> None:
        self._on_failure()

    def estimate(self, bitrate_bps: int) -> None:
        self._feedback.estimate(bitrate_bps)

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None:
        self._feedback.report(fraction_lost, rtt_s, highest_sequence)


def _pause(n_packets: int, pace_s: float) -> float:
    """Seconds between bursts, so that all leave within ``pace_s``."""
    bursts = -(-n_packets // BURST_PACKETS)
    return min(PACE_STEP_S, pace_s / bursts)


def _extension(send_time_id: int | None, mid_id: int | None, mid: str) -> tuple[bytes, int]:
    """One-byte header extensions (RFC 8285) and where in them the 3 bytes of abs-send-time stand."""
    elements, at = b"", 0
    if send_time_id and send_time_id <= LAST_ONE_BYTE_ID:
        at = EXTENSION_HEADER.size + 1
        elements += bytes([send_time_id << 4 | 2, 0, 0, 0])
    name = mid.encode()
    if mid_id and mid_id <= LAST_ONE_BYTE_ID and 0 < len(name) <= LONGEST_ELEMENT_BYTES:
        elements += bytes([mid_id << 4 | len(name) - 1]) + name
    if not elements:
        return b"", 0
    elements += bytes(-len(elements) % 4)
    return EXTENSION_HEADER.pack(ONE_BYTE_PROFILE, len(elements) // 4) + elements, at
