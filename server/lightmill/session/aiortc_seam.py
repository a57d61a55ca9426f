"""Where RTP leans on aiortc internals (aiortc 1.16), to pass by it; tests fail when one moves.

aiortc keeps ICE, DTLS, SRTP keys, RTCP timing, SCTP and SDP. RTP itself passes by it: `RtpWire`
takes every packet as it leaves the socket, and writes every packet straight to it. The sender's part
is `sender_seam`, that of offer and answer `negotiation_seam`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol

import pylibsrtp
from aiortc import RTCRtpCodecParameters, RTCRtpReceiver, RTCRtpTransceiver
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    pack_remb_fci,
)

from lightmill.media.rtp import RtpPacket, parse_rtp
from lightmill.session.ice_wire import IceWire

logger = logging.getLogger(__name__)

UNKNOWN_SSRCS = 64
"""Most SSRCs that one peer may use; further ones are not routed."""
MOST_REPORTS = 31
"""Streams in a receiver report, whose count has 5 bits (RFC 3550 section 6.4.2); the oldest goes."""
MOST_JITTER = (1 << 32) - 1
"""What the report's field holds (RFC 3550 section 6.4.1)."""
RTX = "RTX"


class PacketSink(Protocol):
    """Takes a receiver's packets in the loop's thread, as they come, RTX already unwrapped."""

    def receive(self, packet: RtpPacket, codec: str, now: float) -> None: ...


class RtpWire:
    """The RTP of one bundled DTLS transport, decrypted and encrypted where it passes.

    Packets of receivers without a sink are dropped, all but the first before they are decrypted.
    """

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        self._dtls: Any = transceiver.receiver.transport
        self._ice = IceWire(self._dtls.transport._connection, self._datagram)
        self._ports: dict[RTCRtpReceiver, ReceiverPort] = {}
        self._routes: dict[int, ReceiverPort | None] = {}
        self.refused = 0
        """Packets that could not be decrypted, parsed or routed."""

    @property
    def rtt_s(self) -> float | None:
        return self._ice.rtt_s

    def receive(self, receiver: RTCRtpReceiver, sink: PacketSink) -> ReceiverPort:
        """Hand this receiver's packets to ``sink``; the port takes feedback to the sender."""
        port = self._ports[receiver] = ReceiverPort(self, receiver, sink)
        return port

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one packet; without a connection it is lost, as on any network."""
        srtp = self._dtls._tx_srtp
        if srtp is not None:
            self._ice.send(srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        srtp = self._dtls._tx_srtp
        if srtp is not None:
            self._ice.send(srtp.protect_rtcp(packet))

    @property
    def abs_send_time_id(self) -> int | None:
        return self._dtls._rtp_header_extensions_map._HeaderExtensionsMap__ids.abs_send_time

    def _datagram(self, data: bytes) -> bool:
        """Take RTP; DTLS and RTCP (RFC 5761 section 4) are left to aiortc."""
        if not 127 < data[0] < 192 or len(data) < 12 or 192 <= data[1] <= 208:
            return False
        ssrc = int.from_bytes(data[8:12], "big")
        port = self._routes.get(ssrc)
        srtp = self._dtls._rx_srtp
        if srtp is None or (port is None and ssrc in self._routes):
            return True
        try:
            packet = parse_rtp(srtp.unprotect(data), self.abs_send_time_id)
            if port is None:
                port = self._route(packet)
            if port is not None:
                now = monotonic()
                self._ice.heard(now)
                port.take(packet, now)
        except (pylibsrtp.Error, ValueError):
            self.refused += 1
        except Exception:
            logger.exception("a packet could not be taken")
            self.refused += 1
        return True

    def _route(self, packet: RtpPacket) -> ReceiverPort | None:
        """Find the receiver of a new SSRC by aiortc's rules (SSRC, then payload type).

        Only authentic packets come here: strangers could use up the routes.
        """
        if len(self._routes) >= UNKNOWN_SSRCS:
            self.refused += 1
            return None
        receiver = self._dtls._rtp_router.route_rtp(packet)
        port = self._ports.get(receiver)
        if receiver is not None:
            self._routes[packet.ssrc] = port
        return port


class ReceiverPort:
    """One receiver: what it negotiated, its RTCP statistics, and feedback to its sender."""

    def __init__(self, wire: RtpWire, receiver: RTCRtpReceiver, sink: PacketSink) -> None:
        self._internals: Any = receiver
        self._wire = wire
        self._sink = sink
        self._codecs: dict[int, RTCRtpCodecParameters] = self._internals._RTCRtpReceiver__codecs
        self._rtx_ssrcs: dict[int, int] = self._internals._RTCRtpReceiver__rtx_ssrc
        self._streams: dict[int, StreamStatistics] = self._internals._RTCRtpReceiver__remote_streams
        self._media_ssrc: int | None = None
        self.on_sender_report: Callable[[int, int, int], None] | None = None
        """Gets (SSRC, NTP time 32.32, RTP time) of each RTCP sender report."""
        self._handle_rtcp: Callable[[Any], Awaitable[None]] = self._internals._handle_rtcp_packet
        self._internals._handle_rtcp_packet = self._rtcp

    @property
    def rtt_s(self) -> float | None:
        return self._wire.rtt_s

    def take(self, packet: RtpPacket, now: float) -> None:
        """Count a packet, unwrap it when it is a retransmission, and hand it to the sink."""
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            raise ValueError(f"payload type {packet.payload_type} was not negotiated")
        stream = self._streams.get(packet.ssrc)
        if stream is None:
            if len(self._streams) >= MOST_REPORTS:
                del self._streams[next(iter(self._streams))]
            stream = self._streams[packet.ssrc] = _Statistics(codec.clockRate)
        stream.add(packet)  # pyright: ignore[reportArgumentType]  it reads only what we have too
        name = codec.name.upper()
        if name == RTX:
            name = self._unwrap(packet, codec)
        else:
            self._media_ssrc = packet.ssrc
        self._sink.receive(packet, name, now)

    def _unwrap(self, packet: RtpPacket, codec: RTCRtpCodecParameters) -> str:
        """Turn a retransmission (RFC 4588 section 4) back into the packet that was lost.

        A sender that names no SSRCs in its offer retransmits for the one that we hear.
        """
        ssrc = self._rtx_ssrcs.get(packet.ssrc, self._media_ssrc)
        payload_type = int(codec.parameters.get("apt") or -1)
        original = self._codecs.get(payload_type)
        if ssrc is None or original is None or len(packet.payload) < 2:
            raise ValueError("a retransmission of nothing that is known")
        packet.ssrc, packet.payload_type = ssrc, payload_type
        packet.sequence_number = int.from_bytes(packet.payload[:2], "big")
        packet.payload = packet.payload[2:]
        packet.repeated = True
        return original.name.upper()

    def counts(self, ssrc: int) -> tuple[int, int]:
        """Packets expected and received so far, retransmissions not counted."""
        stream = self._streams.get(ssrc)
        return (0, 0) if stream is None else (stream.packets_expected, stream.packets_received)

    def send_nack(self, ssrc: int, lost: list[int]) -> None:
        """Ask for packets again (RFC 4585 section 6.2.1); ``lost`` is ordered, and may wrap."""
        # aiortc packs ascending numbers only, so those behind the wrap take a packet of their own.
        falls = (at for at in range(1, len(lost)) if lost[at] < lost[at - 1])
        wrap = next(falls, len(lost))
        for part in (lost[:wrap], lost[wrap:]):
            if part:
                packet = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=self._own_ssrc, media_ssrc=ssrc)
                packet.lost = part
                self._wire.send_rtcp(bytes(packet))

    def send_pli(self, ssrc: int) -> None:
        """Ask for a keyframe (RFC 4585 section 6.3.1)."""
        self._feedback(RTCP_PSFB_PLI, ssrc, b"")

    def send_remb(self, ssrc: int, bitrate_bps: int) -> None:
        """Say how much may be sent (draft-alvestrand-rmcat-remb-03)."""
        self._feedback(RTCP_PSFB_APP, 0, pack_remb_fci(bitrate_bps, [ssrc]))

    def _feedback(self, fmt: int, media_ssrc: int, fci: bytes) -> None:
        packet = RtcpPsfbPacket(fmt=fmt, ssrc=self._own_ssrc, media_ssrc=media_ssrc, fci=fci)
        self._wire.send_rtcp(bytes(packet))

    @property
    def _own_ssrc(self) -> int:
        return self._internals._RTCRtpReceiver__rtcp_ssrc or 0

    async def _rtcp(self, packet: Any) -> None:  # Any: aiortc's untyped RTCP classes
        await self._handle_rtcp(packet)
        if isinstance(packet, RtcpSrPacket) and self.on_sender_report is not None:
            info = packet.sender_info
            self.on_sender_report(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)


class _Statistics(StreamStatistics):
    """A peer whose timestamps jump must not end aiortc's reports, on whose end `close` waits."""

    @property
    def jitter(self) -> int:
        return min(super().jitter, MOST_JITTER)
