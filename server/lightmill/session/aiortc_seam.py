"""Every place where Lightmill leans on an aiortc internal (aiortc 1.16); tests fail when one moves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpCodecParameters, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from lightmill.media.encode import EncodedPacket

PACKED_FRAMES = 8
"""Packetised frames kept for viewers that have not sent them yet."""


class Packetiser:
    """RTP payloads of encoded frames, built once for all viewers of one encoder."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._picture_id = 0
        self._packed: OrderedDict[int, list[bytes]] = OrderedDict()

    def pack(self, packet: EncodedPacket) -> tuple[list[bytes], int]:
        """Payloads of at most 1300 bytes and the 90 kHz timestamp."""
        payloads = self._packed.get(packet.pts_90k)
        if payloads is None:
            payloads = self._split(packet.data)
            self._packed[packet.pts_90k] = payloads
            if len(self._packed) > PACKED_FRAMES:
                self._packed.popitem(last=False)
        return payloads, packet.pts_90k

    def _split(self, data: bytes) -> list[bytes]:
        if self._codec == "H264":
            return H264Encoder._packetize(H264Encoder._split_bitstream(data))  # pyright: ignore[reportPrivateUsage]
        self._picture_id = (self._picture_id + 1) % (1 << 15)
        return Vp8Encoder._packetize(data, self._picture_id)  # pyright: ignore[reportPrivateUsage]


class SenderEncoder:
    """Stands where aiortc expects a sender's encoder: packs, and hears the viewer's REMB."""

    def __init__(self, packetiser: Packetiser, on_estimate: Callable[[int], None]) -> None:
        self._packetiser = packetiser
        self._on_estimate = on_estimate
        self._target = 0

    def pack(self, packet: EncodedPacket) -> tuple[list[bytes], int]:
        return self._packetiser.pack(packet)

    @property
    def target_bitrate(self) -> int:
        return self._target

    @target_bitrate.setter
    def target_bitrate(self, bitrate_bps: int) -> None:
        self._target = bitrate_bps
        self._on_estimate(bitrate_bps)


def attach(sender: RTCRtpSender, encoder: SenderEncoder, on_keyframe: Callable[[], None]) -> None:
    """Send our packets through ``sender``; PLI and FIR call ``on_keyframe``."""
    internals: Any = sender
    if not hasattr(sender, "_RTCRtpSender__encoder") or not hasattr(sender, "_send_keyframe"):
        raise AttributeError("aiortc's RTCRtpSender has changed; see aiortc_seam")
    internals._RTCRtpSender__encoder = encoder
    internals._send_keyframe = on_keyframe


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


def discard_media(receiver: RTCRtpReceiver) -> None:
    """Drop a receiver's packets before they are assembled and decoded."""
    internals: Any = receiver
    internals._enabled = False
