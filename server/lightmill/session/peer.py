"""One peer's life: negotiated once, connected or given up in time, closed completely."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable
from typing import Any, Protocol

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError

from lightmill.config import IceServer
from lightmill.errors import FieldError, InvalidDescription, LimitReached, PeerNotFound
from lightmill.media.frames import MediaFrame
from lightmill.media.rtp import RtpPacket
from lightmill.session import negotiation_seam as seam
from lightmill.session.aioice_seam import share_port
from lightmill.session.aiortc_seam import RtpWire
from lightmill.session.broadcast import Broadcast
from lightmill.session.control import ControlChannel, ControlTarget
from lightmill.session.host import PeerRole
from lightmill.session.receive import OpusReceiver, VideoReceiver
from lightmill.session.sdp import (
    Candidate,
    Fragment,
    defer_mdns,
    opus_parameters,
    parse_fragment,
)
from lightmill.session.send import RtpSender
from lightmill.session.services import Services
from lightmill.session.sound import SoundSubscription
from lightmill.session.viewer import Viewer

logger = logging.getLogger(__name__)

PREFERRED_CODEC = {"auto": "H264", "h264": "H264", "vp8": "VP8"}


class PeerOwner(Protocol):
    """The session, as its peer sees it."""

    name: str
    broadcast: Broadcast

    def feed(self, peer: Peer, frame: MediaFrame) -> None: ...

    def hear(self, peer: Peer, packet: RtpPacket, now: float) -> None: ...

    def report(self, peer: Peer, kind: str, ntp: int, timestamp: int) -> None: ...

    def peer_changed(self, peer: Peer) -> None: ...

    def peer_gone(self, peer: Peer, reason: str) -> None: ...

    def channel_opened(self, peer: Peer) -> None: ...


class SentTrack(MediaStreamTrack):
    """Gives a sender its place in the SDP; what it sends comes from `RtpSender`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__()

    async def recv(self) -> av.VideoFrame:
        """Nobody reads it. Raises `MediaStreamError`."""
        raise MediaStreamError


class Peer:
    """Owns one `RTCPeerConnection` and every task that serves it."""

    def __init__(
        self, role: PeerRole, owner: PeerOwner, services: Services, control: ControlTarget | None
    ) -> None:
        self.id = secrets.token_hex(8)
        self.role = role
        self.etag = ""
        self.channel: ControlChannel | None = None
        self.codec: str | None = None
        self.close_reason = "closed"
        self._owner = owner
        self._services = services
        self._config = services.config.rtc
        self._control = control
        self._tasks: set[asyncio.Task[None]] = set()
        self._wires: dict[RTCDtlsTransport, RtpWire] = {}
        self._receiver: VideoReceiver | None = None
        self._viewer: Viewer | None = None
        self._sound: SoundSubscription | None = None
        self._n_candidates = 0
        self._ufrag = ""
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[_ice_server(server) for server in self._config.ice_servers],
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    @property
    def state(self) -> str:
        return self._pc.connectionState

    @property
    def watches(self) -> bool:
        return self._viewer is not None

    async def negotiate(self, sdp: str, codec: str) -> str:
        """Answer an offer; ``codec`` is the configured preference.

        Raises:
            InvalidDescription: aiortc cannot negotiate the offer; the peer is closed.
            PeerNotFound: it was closed meanwhile, with its session.

        """
        text, deferred = defer_mdns(sdp)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(text, "offer"))
            self._refuse_when_closed()
            share_port(self._pc.getTransceivers(), self._services.udp)
            for transceiver in self._pc.getTransceivers():
                self._attach(transceiver, PREFERRED_CODEC[codec])
            self._attach_audio(opus_parameters(text))
            await self._pc.setLocalDescription(await self._pc.createAnswer())
            self._refuse_when_closed()
        except (
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            AssertionError,
            TypeError,
            OperationError,
            InvalidStateError,
            InvalidAccessError,
        ) as error:
            await self.aclose("negotiation failed")
            message = f"the offer cannot be negotiated: {error or type(error).__name__}"
            raise InvalidDescription(
                message, (FieldError("sdp", "offer H.264 or VP8 video with ICE and DTLS (BUNDLE)"),)
            ) from error
        except BaseException:
            await self.aclose("negotiation failed")
            raise
        self._ufrag = _ufrag(text)
        self.etag = hashlib.sha256(f"{self.id}{self._ufrag}".encode()).hexdigest()[:16]
        self.spawn(self._add(deferred))
        self.spawn(self._give_up())
        return self._pc.localDescription.sdp

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise PeerNotFound(f"peer {self.id} has left")

    def _attach(self, transceiver: RTCRtpTransceiver, preferred: str) -> None:
        """Receive and send on the first video section that the remote offers for it."""
        wire = self._wire(transceiver)
        if transceiver.kind != "video":
            return
        seam.prefer_codec(transceiver, preferred)
        self.codec = self.codec or seam.negotiated_codec(transceiver)
        if self.role is PeerRole.VIEWER:
            # Without a track aiortc's sender would look for one fifty times a second.
            transceiver.direction = "inactive"
        elif self._receiver is None and seam.offers_to_send(transceiver):
            self._receiver = VideoReceiver(
                wire,
                transceiver.receiver,
                self._services.config.media,
                self._services.codecs,
                lambda frame: self._owner.feed(self, frame),
                lambda ntp, timestamp: self._owner.report(self, "video", ntp, timestamp),
            )
        receives = seam.offers_to_receive(transceiver)
        if receives and self.role is not PeerRole.PUBLISHER and self._viewer is None:
            self._send_on(transceiver, wire)

    def _attach_audio(self, parameters: dict[int, dict[str, str]]) -> None:
        """Hear the first Opus section, and send on it when the remote receives; others sleep."""
        video = next((t for t in self._pc.getTransceivers() if t.kind == "video"), None)
        used = False
        for audio in self._pc.getTransceivers():
            if audio.kind != "audio":
                continue
            if not seam.only_opus(audio, parameters) or used:
                audio.direction = "inactive"
                continue
            used = True
            wire = self._wire(audio)
            if self.role is not PeerRole.VIEWER:
                OpusReceiver(
                    wire,
                    audio.receiver,
                    lambda packet, now: self._owner.hear(self, packet, now),
                    lambda ntp, timestamp: self._owner.report(self, "audio", ntp, timestamp),
                )
            sends = seam.offers_to_receive(audio) and self.role is not PeerRole.PUBLISHER
            audio.direction = _direction(sends, self.role is not PeerRole.VIEWER)
            if sends and video is not None:
                self._sound = self._owner.broadcast.sound.subscribe()
                audio.sender.replaceTrack(SentTrack("audio"))
                seam.share_stream(audio, video)
                RtpSender(wire, audio.sender, self._sound, self._sound, self._cannot_send)

    def _wire(self, transceiver: RTCRtpTransceiver) -> RtpWire:
        transport = transceiver.receiver.transport
        if transport not in self._wires:
            self._wires[transport] = RtpWire(transceiver)
        return self._wires[transport]

    def _send_on(self, transceiver: RTCRtpTransceiver, wire: RtpWire) -> None:
        viewer = self._viewer = self._owner.broadcast.join(seam.negotiated_codec(transceiver))
        transceiver.sender.replaceTrack(SentTrack("video"))
        transceiver.direction = "sendonly" if self.role is PeerRole.VIEWER else "sendrecv"
        RtpSender(wire, transceiver.sender, viewer, viewer, self._cannot_send)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == "control" and self.channel is None:
            self.channel = ControlChannel(channel, self._control, self.spawn)
            self._owner.channel_opened(self)

    def _on_state(self) -> None:
        logger.info("%s: %s %s is %s", self._owner.name, self.role, self.id, self.state)
        if self.state in ("failed", "closed"):
            self._leave("connection " + self.state)
        else:
            self._owner.peer_changed(self)

    def _cannot_send(self) -> None:
        self._leave("sending failed")

    def _leave(self, reason: str) -> None:
        if not self._closed:
            self._owner.peer_gone(self, reason)

    async def _give_up(self) -> None:
        await asyncio.sleep(self._config.connect_timeout_s)
        if self.state != "connected":
            self._leave(f"not connected within {self._config.connect_timeout_s:g} s")

    async def add_candidates(self, text: str) -> None:
        """Add trickled candidates.

        Raises:
            InvalidDescription: the fragment is malformed or asks for an ICE restart.
            LimitReached: the peer sent more than ``rtc.max_candidates``.

        """
        self._refuse_when_closed()
        fragment = parse_fragment(text)
        if fragment.ufrag is not None and fragment.ufrag != self._ufrag:
            raise InvalidDescription(
                "ICE restart is not supported; open a new connection instead",
                (FieldError("ice-ufrag", "must be that of the offer"),),
            )
        for candidate in fragment.candidates:
            candidate.to_aiortc()
        self._n_candidates += len(fragment.candidates)
        if self._n_candidates > self._config.max_candidates:
            raise LimitReached(
                f"more than {self._config.max_candidates} candidates; see rtc.max_candidates"
            )
        self.spawn(self._add(fragment))

    async def _add(self, fragment: Fragment) -> None:
        """Resolve and add candidates side by side; a name that does not resolve costs only itself."""
        await asyncio.gather(*(self._add_one(candidate) for candidate in fragment.candidates))
        if fragment.complete and not self._closed:
            await self._pc.addIceCandidate(None)

    async def _add_one(self, candidate: Candidate) -> None:
        try:
            await self._pc.addIceCandidate(candidate.to_aiortc())
        except (ValueError, OSError, InvalidDescription) as error:
            logger.info("%s: candidate ignored: %s", self._owner.name, error)

    def spawn(self, work: Awaitable[None]) -> None:
        """Own a task until it ends or the peer closes."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def describe(self) -> dict[str, Any]:
        """The ``publisher`` of a SESSION."""
        return {
            "peer": self.id,
            "role": str(self.role),
            "state": self.state,
            "codec": self.codec,
        }

    def push(self, message: dict[str, Any]) -> None:
        if self.channel is not None:
            self.channel.push(message)

    async def aclose(self, reason: str = "closed") -> None:
        """End tasks, subscription and connection; concurrent callers wait for the same end."""
        if self._closing is None:
            self._closed = True
            self.close_reason = reason
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._receiver is not None:
            self._receiver.close()
        if self._viewer is not None:
            self._owner.broadcast.leave(self._viewer)
        if self._sound is not None:
            self._owner.broadcast.sound.unsubscribe(self._sound)
        await self._pc.close()


def _ice_server(server: IceServer) -> RTCIceServer:
    credential = server.credential.get_secret_value() if server.credential else None
    return RTCIceServer(urls=server.urls, username=server.username, credential=credential)


def _direction(sends: bool, receives: bool) -> str:
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def _ufrag(sdp: str) -> str:
    prefix = "a=ice-ufrag:"
    return next(
        (x.removeprefix(prefix).strip() for x in sdp.splitlines() if x.startswith(prefix)), ""
    )
