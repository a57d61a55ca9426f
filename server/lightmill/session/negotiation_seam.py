"""Where negotiation leans on aiortc internals (aiortc 1.16): codecs, directions, streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiortc import RTCRtpCodecParameters, RTCRtpTransceiver


def prefer_codec(transceiver: RTCRtpTransceiver, name: str) -> None:
    """Put ``name`` first among the codecs negotiated with the remote offer."""
    internals: Any = transceiver

    def later(codec: RTCRtpCodecParameters) -> bool:
        return codec.name.upper() != name

    internals._codecs.sort(key=later)


def negotiated_codec(transceiver: RTCRtpTransceiver) -> str:
    """The codec that aiortc will send with: ``H264`` or ``VP8``."""
    internals: Any = transceiver
    return str(internals._codecs[0].name).upper()


def offers_to_receive(transceiver: RTCRtpTransceiver) -> bool:
    """Whether the remote offer lets us send on this transceiver (direction as seen from here)."""
    internals: Any = transceiver
    return internals._offerDirection in ("sendonly", "sendrecv")


def offers_to_send(transceiver: RTCRtpTransceiver) -> bool:
    """Whether the remote offer lets us receive on this transceiver."""
    internals: Any = transceiver
    return internals._offerDirection in ("recvonly", "sendrecv")


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
