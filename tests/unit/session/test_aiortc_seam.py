"""What aiortc's objects and ours make of each other, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCRtpCodecParameters, RTCRtpTransceiver
from aiortc.rtp import (
    RTCP_RTPFB_NACK,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
)
from pylibsrtp import Policy, Session

from lightmill.media.frames import OutgoingFrame
from lightmill.media.rtp import HEADER, RtpPacket, parse_rtp
from lightmill.session.aiortc_seam import MOST_REPORTS, UNKNOWN_SSRCS, ReceiverPort, RtpWire
from lightmill.session.send import RtpSender

CODEC = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96)
RTX = RTCRtpCodecParameters(
    mimeType="video/rtx", clockRate=90_000, payloadType=97, parameters={"apt": 96}
)
PACKETS = 8


class Wire(RtpWire):
    """Keeps what would be encrypted and sent."""

    def __init__(self, transceiver: RTCRtpTransceiver) -> None:
        super().__init__(transceiver)
        self.rtp: list[RtpPacket] = []
        self.rtcp: list[object] = []

    def send_rtp(self, packet: bytes) -> None:
        self.rtp.append(parse_rtp(packet))

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp += RtcpPacket.parse(packet)


class OneFrame:
    """A viewer that is sent one frame, and may have all of it again."""

    def __init__(self) -> None:
        self.is_sent = asyncio.Event()
        self._frames = [OutgoingFrame([bytes([n]) for n in range(PACKETS)], 0, 0.0)]

    async def recv(self) -> OutgoingFrame:
        if not self._frames:
            self.is_sent.set()
            await asyncio.Event().wait()
        return self._frames.pop()

    def failed(self) -> None: ...

    def keyframe_wanted(self) -> None: ...

    def estimate(self, bitrate_bps: int) -> None: ...

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None: ...

    def sent(self, sequence_number: int, size_bytes: int) -> None: ...

    def may_repeat(self, sequence_number: int, size_bytes: int) -> bool:
        return True


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[RtpPacket, str]] = []

    def receive(self, packet: RtpPacket, codec: str, now: float) -> None:
        self.heard.append((packet, codec))


@pytest.fixture
async def transceiver() -> AsyncIterator[RTCRtpTransceiver]:
    connection = RTCPeerConnection()
    yield connection.addTransceiver("video")
    await connection.close()


@pytest.mark.parametrize("rtx", [True, False])
async def test_a_nack_whose_bit_mask_wraps_brings_the_packets_behind_the_wrap(
    transceiver: RTCRtpTransceiver, rtx: bool
):
    wire, viewer, stock = Wire(transceiver), OneFrame(), transceiver.sender
    sender = RtpSender(wire, stock, viewer, viewer, viewer.failed)
    sender._next_sequence = 65_534  # pyright: ignore[reportPrivateUsage]
    if rtx:
        stock._RTCRtpSender__rtx_payload_type = RTX.payloadType
    run = asyncio.create_task(stock._run_rtp(CODEC))  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(5):
        await viewer.is_sent.wait()
    assert [one.sequence_number for one in wire.rtp] == [65_534, 65_535, *range(PACKETS - 2)]
    wire.rtp.clear()
    # 65535 and, by the mask, the two after it: as browsers write it.
    asked = RtcpRtpfbPacket.parse(b"\0\0\0\1\0\0\0\2\xff\xff\x00\x03", RTCP_RTPFB_NACK)
    await stock._handle_rtcp_packet(asked)  # pyright: ignore[reportPrivateUsage]
    lost = [65_535, 0, 1]
    if rtx:
        assert [int.from_bytes(one.payload[:2]) for one in wire.rtp] == lost
        assert {one.payload_type for one in wire.rtp} == {97}
    else:
        assert [one.sequence_number for one in wire.rtp] == lost
    assert [one.payload[-1] for one in wire.rtp] == [1, 2, 3]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_gap_across_the_wrap_is_asked_for(transceiver: RTCRtpTransceiver):
    wire = Wire(transceiver)
    port = ReceiverPort(wire, transceiver.receiver, Listener())
    port.send_nack(7, [65_530, 65_535, 0, 3])
    port.send_nack(7, [4, 9])
    asked = [one for one in wire.rtcp if isinstance(one, RtcpRtpfbPacket)]
    assert [one.lost for one in asked] == [[65_530, 65_535], [0, 3], [4, 9]]
    assert {one.media_ssrc for one in asked} == {7}


def receiving(transceiver: RTCRtpTransceiver) -> tuple[Wire, Listener, Session]:
    """A wire as after the handshake, what it hears, and the sender's SRTP."""
    key = bytes(range(30))
    wire, listener, dtls = Wire(transceiver), Listener(), wire_internals(transceiver)
    receiver: Any = transceiver.receiver
    receiver._RTCRtpReceiver__codecs.update({96: CODEC, 97: RTX})
    dtls._rx_srtp = Session(Policy(key, ssrc_type=Policy.SSRC_ANY_INBOUND))
    dtls._rtp_router.register_receiver(receiver, ssrcs=[], payload_types=[96, 97], mid="0")
    wire.receive(transceiver.receiver, listener)
    return wire, listener, Session(Policy(key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))


def wire_internals(transceiver: RTCRtpTransceiver) -> Any:
    return transceiver.receiver.transport


def plain(ssrc: int, sequence: int = 1, timestamp: int = 0) -> bytes:
    return HEADER.pack(0x80, 96, sequence, timestamp, ssrc) + b"\x10picture"


async def test_strangers_packets_do_not_use_up_the_routes(transceiver: RTCRtpTransceiver):
    wire, listener, srtp = receiving(transceiver)
    arrive: Any = wire._datagram  # pyright: ignore[reportPrivateUsage]
    for ssrc in range(UNKNOWN_SSRCS + 1):
        assert arrive(plain(1000 + ssrc) + bytes(10))  # an authentication tag of zeros
    assert arrive(srtp.protect(plain(5)))
    assert [(one.ssrc, codec) for one, codec in listener.heard] == [(5, "VP8")]
    assert wire.refused == UNKNOWN_SSRCS + 1


async def test_a_peer_may_use_so_many_ssrcs_and_no_more(transceiver: RTCRtpTransceiver):
    wire, listener, srtp = receiving(transceiver)
    arrive: Any = wire._datagram  # pyright: ignore[reportPrivateUsage]
    for ssrc in range(UNKNOWN_SSRCS + 5):
        arrive(srtp.protect(plain(ssrc)))
    assert len(listener.heard) == UNKNOWN_SSRCS and wire.refused == 5


async def test_absurd_streams_make_a_report_that_can_be_sent(transceiver: RTCRtpTransceiver):
    wire, _, srtp = receiving(transceiver)
    arrive: Any = wire._datagram  # pyright: ignore[reportPrivateUsage]
    for ssrc in range(MOST_REPORTS + 3):
        arrive(srtp.protect(plain(ssrc)))
    receiver: Any = transceiver.receiver
    streams = receiver._RTCRtpReceiver__remote_streams
    streams[ssrc]._jitter_q4 = 1 << 37  # as after timestamps that jump to and fro
    reports = [
        RtcpReceiverInfo(ssrc, 0, 0, one.max_seq, one.jitter, 0, 0) for ssrc, one in streams.items()
    ]
    (report,) = RtcpPacket.parse(bytes(RtcpRrPacket(ssrc=1, reports=reports)))
    assert isinstance(report, RtcpRrPacket) and len(report.reports) == MOST_REPORTS
    assert report.reports[-1].jitter == 2**32 - 1
