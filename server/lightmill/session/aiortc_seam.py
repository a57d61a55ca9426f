"""Every place where Lightmill leans on an aiortc internal (aiortc 1.16); tests fail when one moves."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Any

from aioice import ice, stun
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


class Liveness:
    """Consent checks (RFC 7675) that also count what the peer sends.

    ffmpeg's WHIP muxer answers no STUN request while it streams; aioice alone would cut it off
    after 30 s. A peer from which packets still come is there; one that is silent and answers
    nothing for ``CONSENT_FAILURES`` checks is gone.
    """

    def __init__(self, connection: ice.Connection) -> None:
        internals: Any = connection
        self._connection = internals
        self._received_at = monotonic()
        self._receive: Callable[[bytes, int], None] = internals.data_received
        internals.data_received = self._data_received
        internals.query_consent = self._query_consent

    def _data_received(self, data: bytes, component: int) -> None:
        self._received_at = monotonic()
        self._receive(data, component)

    async def _query_consent(self) -> None:
        connection, failures = self._connection, 0
        while failures < ice.CONSENT_FAILURES:
            checked_at = monotonic()
            await asyncio.sleep(ice.CONSENT_INTERVAL * random.uniform(0.8, 1.2))
            for pair in list(connection._nominated.values()):
                alive = await self._answers(pair) or self._received_at > checked_at
                failures = 0 if alive else failures + 1
        connection._query_consent_task = None
        await connection.close()

    async def _answers(self, pair: Any) -> bool:  # Any: aioice's internal pair
        connection = self._connection
        request = connection.build_request(pair, nominate=False)
        key = connection.remote_password.encode()
        try:
            await pair.protocol.request(
                request, pair.remote_addr, integrity_key=key, retransmissions=0
            )
        except stun.TransactionError:
            return False
        return True


def watch_liveness(transceivers: list[RTCRtpTransceiver]) -> None:
    """Use `Liveness` on every ICE connection that these transceivers share."""
    connections = {one.receiver.transport.transport.iceGatherer._connection for one in transceivers}  # pyright: ignore[reportPrivateUsage]
    for connection in connections:
        Liveness(connection)
