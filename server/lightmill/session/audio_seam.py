"""Where audio leans on aiortc internals (aiortc 1.16): codecs of a section, its stream, its packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtp import RtcpSrPacket

from lightmill.media.rtp import RtpPacket
from lightmill.session.sound import OutgoingFrame


def only_opus(transceiver: RTCRtpTransceiver, parameters: Mapping[int, dict[str, str]]) -> bool:
    """Leave nothing but Opus in the answer; without it the section becomes inactive.

    ``parameters`` are those of `opus_parameters`. Returns whether Opus was offered.
    """
    internals: Any = transceiver
    opus = [codec for codec in internals._codecs if codec.name.lower() == "opus"]
    if not opus:
        transceiver.direction = "inactive"
        return False
    for codec in opus:
        codec.parameters = dict(parameters.get(codec.payloadType, {}))
    internals._codecs = opus
    return True


def share_stream(audio: RTCRtpTransceiver, video: RTCRtpTransceiver) -> None:
    """Announce both tracks in one MediaStream (RFC 8830), which players keep in step."""
    sender: Any = audio.sender
    other: Any = video.sender
    sender._stream_id = other._stream_id


class OpusPacketiser:
    """Stands where aiortc expects an encoder: an Opus packet is an RTP payload already."""

    def pack(self, frame: OutgoingFrame) -> tuple[list[bytes], int]:
        return frame.payloads, frame.timestamp


def send_opus(sender: RTCRtpSender) -> None:
    """Let ``sender`` pass the `OutgoingFrame`s of its track on."""
    internals: Any = sender
    if not hasattr(sender, "_RTCRtpSender__encoder"):
        raise AttributeError("aiortc's RTCRtpSender has changed; see audio_seam")
    internals._RTCRtpSender__encoder = OpusPacketiser()


def hear(
    receiver: RTCRtpReceiver,
    on_packet: Callable[[RtpPacket, float], None] | None,
    on_report: Callable[[int, int], None],
) -> None:
    """Hand over a receiver's packets undecoded, and the clocks of its sender reports.

    With ``on_packet`` unset the packets go their usual way.
    """
    internals: Any = receiver
    handle_rtcp = internals._handle_rtcp_packet

    async def take_rtp(packet: Any, arrival_time_ms: int) -> None:
        if on_packet is not None and internals._enabled:
            on_packet(
                RtpPacket(
                    packet.payload_type,
                    bool(packet.marker),
                    packet.sequence_number,
                    packet.timestamp,
                    packet.ssrc,
                    packet.payload,
                ),
                monotonic(),
            )

    async def take_rtcp(packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            on_report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
        await handle_rtcp(packet)

    if on_packet is not None:
        internals._handle_rtp_packet = take_rtp
    internals._handle_rtcp_packet = take_rtcp


def absolute(transceivers: list[RTCRtpTransceiver], pts: int) -> int:
    """The RTP timestamp of a frame of the first video section, whose pts count from its first."""
    video: Any = next(one.receiver for one in transceivers if one.kind == "video")
    return pts + (video._RTCRtpReceiver__timestamp_mapper._origin or 0)
