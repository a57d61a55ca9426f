"""What aiortc's objects and ours make of each other, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCPeerConnection, RTCRtpCodecParameters, RTCRtpTransceiver
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpPacket, RtcpRtpfbPacket

from lightmill.media.frames import OutgoingFrame
from lightmill.media.rtp import RtpPacket, parse_rtp
from lightmill.session.aiortc_seam import ReceiverPort, RtpWire
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
    sender = RtpSender(wire, stock, viewer, viewer)
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
