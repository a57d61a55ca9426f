"""Peer connections of one run: publishers, viewers, and peers that are both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)

from lightmill.bench.receiving import VideoTap
from lightmill.bench.sending import ClipTrack
from lightmill.bench.signalling import Answer
from lightmill.errors import BenchError

Exchange = Callable[[str], Awaitable[Answer]]
"""Takes an offer's SDP to the other side, and brings its answer."""


class Peer:
    """One peer connection that sends ``track``, receives into ``tap``, or both."""

    def __init__(self, codec: str, track: ClipTrack | None, tap: VideoTap | None) -> None:
        self.tap = tap
        self.track = track
        self.resource: str | None = None
        self._codec = codec
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._settled = asyncio.Event()
        self._pc.on("connectionstatechange", self._on_state)

    @property
    def connected(self) -> bool:
        return self._pc.connectionState == "connected"

    async def open(self, exchange: Exchange) -> None:
        """Offer and take the answer; ICE and DTLS go on. Raises `BenchError`."""
        direction: Literal["sendrecv", "sendonly", "recvonly"] = "recvonly"
        if self.track is not None:
            direction = "sendrecv" if self.tap is not None else "sendonly"
        transceiver = self._pc.addTransceiver(self.track or "video", direction)
        only_codec(transceiver, self._codec)
        if self.track is not None:
            self.track.attach(transceiver.sender)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await exchange(self._pc.localDescription.sdp)
        self.resource = answer.resource
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        except Exception as error:  # aiortc raises many kinds for SDP it cannot use
            raise BenchError(
                f"the answer cannot be used ({error}); it reads {answer.sdp}"
            ) from error
        if self.tap is not None:
            self.tap.attach(transceiver, answer.sdp)

    async def answer(self, offer: str) -> Answer:
        """Be the other side of an `open` without a server."""
        await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        (transceiver,) = self._pc.getTransceivers()
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        sdp = self._pc.localDescription.sdp
        if self.tap is not None:
            self.tap.attach(transceiver, sdp)
        return Answer(sdp, None)

    async def ready(self, timeout_s: float, what: str) -> None:
        """Wait for the connection and, for a viewer, its first whole frame. Raises `BenchError`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
                if self.connected and self.tap is not None:
                    await self.tap.first_frame.wait()
        except TimeoutError:
            missing = "sent no whole frame" if self.connected else "did not connect"
            raise BenchError(f"{what} {missing} within {timeout_s:g} s") from None
        if not self.connected:
            raise BenchError(f"{what}: the connection is {self._pc.connectionState}")

    async def aclose(self) -> None:
        await self._pc.close()
        if self.tap is not None:
            await self.tap.aclose()

    def _on_state(self) -> None:
        if self._pc.connectionState in ("connected", "failed", "closed"):
            self._settled.set()


def only_codec(transceiver: RTCRtpTransceiver, codec: str) -> None:
    """Offer ``codec`` and its retransmissions, nothing else."""
    capabilities = RTCRtpReceiver.getCapabilities("video")
    known = capabilities.codecs if capabilities else []
    wanted = {f"video/{codec}".lower(), "video/rtx"}
    transceiver.setCodecPreferences([one for one in known if one.mimeType.lower() in wanted])
