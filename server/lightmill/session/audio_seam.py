"""Where audio leans on aiortc internals (aiortc 1.16): the codecs of a section, and its stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiortc import RTCRtpTransceiver


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
