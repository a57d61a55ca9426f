"""Where sending leans on aiortc internals (aiortc 1.16): the RTP loop, reports and feedback of a sender."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiortc import RTCRtpCodecParameters, RTCRtpSender
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from lightmill.errors import Closed
from lightmill.media.rtp import SEQUENCE_MODULUS
from lightmill.session.aiortc_seam import RtpWire

logger = logging.getLogger(__name__)


class SenderFeedback(Protocol):
    """What a viewer says about the stream that it gets; called in the loop's thread."""

    def failed(self) -> None:
        """Nothing more can be sent."""
        ...

    def keyframe_wanted(self) -> None: ...

    def retransmit(self, sequence_number: int) -> None: ...

    def estimate(self, bitrate_bps: int) -> None:
        """REMB: the viewer sees room for this much."""
        ...

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None:
        """A receiver report: share of packets lost since the last, in [0, 1], and newest seen."""
        ...


class SenderPort:
    """One sender, whose RTP loop is ours: identity, header extensions, feedback.

    ``run`` is started by aiortc when the peer is connected, gets the payload type, and is
    cancelled when the sender stops; when it ends by itself, nothing more is sent.
    """

    def __init__(
        self,
        wire: RtpWire,
        sender: RTCRtpSender,
        feedback: SenderFeedback,
        run: Callable[[int], Awaitable[None]],
    ) -> None:
        internals: Any = sender
        for name in ("_run_rtp", "_retransmit", "_send_keyframe", "_RTCRtpSender__encoder"):
            if not hasattr(sender, name):
                raise AttributeError(f"aiortc's RTCRtpSender has no {name} any more")
        self._internals = internals
        self._wire = wire
        self._feedback = feedback
        self._run = run
        self._handle_rtcp: Callable[[Any], Awaitable[None]] = internals._handle_rtcp_packet
        internals._run_rtp = self._run_rtp
        internals._retransmit = self._retransmit
        internals._send_keyframe = feedback.keyframe_wanted
        internals._handle_rtcp_packet = self._rtcp
        internals._RTCRtpSender__encoder = _Estimates(feedback)
        self.ssrc: int = internals._ssrc
        self.rtx_ssrc: int = internals._rtx_ssrc

    def send(self, packet: bytes) -> None:
        self._wire.send_rtp(packet)

    @property
    def rtx_payload_type(self) -> int | None:
        return self._internals._RTCRtpSender__rtx_payload_type

    def extension_ids(self) -> tuple[int | None, int | None]:
        """Negotiated ids of abs-send-time and of mid."""
        ids = self._internals._RTCRtpSender__rtp_header_extensions_map._HeaderExtensionsMap__ids
        return ids.abs_send_time, ids.mid

    @property
    def mid(self) -> str:
        return self._internals._RTCRtpSender__mid or ""

    def note_sent(self, ntp: int, rtp_timestamp: int, packets: int, size_bytes: int) -> None:
        """What the next sender report says: a pair of equal times, and totals."""
        internals = self._internals
        internals._RTCRtpSender__ntp_timestamp = ntp
        internals._RTCRtpSender__rtp_timestamp = rtp_timestamp
        internals._RTCRtpSender__packet_count = packets
        internals._RTCRtpSender__octet_count = size_bytes

    async def _run_rtp(self, codec: RTCRtpCodecParameters) -> None:
        internals = self._internals
        internals._RTCRtpSender__rtp_started.set()
        try:
            await self._run(codec.payloadType or 0)
        except (asyncio.CancelledError, Closed):
            pass
        except Exception:
            logger.exception("sending to a viewer failed")
            self._feedback.failed()
        if sender_track := internals._RTCRtpSender__track:
            sender_track.stop()
        internals._RTCRtpSender__track = None
        internals._RTCRtpSender__encoder = None
        internals._RTCRtpSender__rtp_exited.set()

    async def _retransmit(self, sequence_number: int) -> None:
        # aiortc adds a NACK's bit mask to its number without wrapping (RFC 4585 section 6.2.1).
        self._feedback.retransmit(sequence_number % SEQUENCE_MODULUS)

    async def _rtcp(self, packet: Any) -> None:  # Any: aiortc's untyped RTCP classes
        """Hear a viewer out; whatever it says, its connection lives."""
        try:
            await self._handle_rtcp(packet)
            if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
                for report in packet.reports:
                    self._hear(report)
        except Exception:
            logger.exception("a viewer's report could not be taken")

    def _hear(self, report: RtcpReceiverInfo) -> None:
        if report.ssrc == self.ssrc:
            lost, newest = report.fraction_lost / 256, report.highest_sequence
            self._feedback.report(lost, self._rtt(report), newest)

    def _rtt(self, report: RtcpReceiverInfo) -> float | None:
        """The round trip that this report shows (RFC 3550 section 6.4.1), not smoothed."""
        internals = self._internals
        if not report.dlsr or internals._RTCRtpSender__lsr != report.lsr:
            return None
        return max(0.0, time.time() - internals._RTCRtpSender__lsr_time - report.dlsr / 65536)


class _Estimates:
    """Stands where aiortc expects an encoder, and hears the viewer's REMB."""

    def __init__(self, feedback: SenderFeedback) -> None:
        self._feedback = feedback

    @property
    def target_bitrate(self) -> int:
        return 0

    @target_bitrate.setter
    def target_bitrate(self, bitrate_bps: int) -> None:
        self._feedback.estimate(bitrate_bps)
