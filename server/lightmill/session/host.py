"""What signaling may ask of sessions: plain serialisable values in, plain values out.

The host is this process today; nothing here holds a track, a peer connection or a tensor, so
that it can be a worker on another machine tomorrow.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from lightmill.config import RtcConfig
from lightmill.errors import PipelineNotFound
from lightmill.session.events import EventStream
from lightmill.session.wish import MAIN, ChainWish

SnapshotOf = Literal["input", "output"]
ImageFormat = Literal["jpg", "png"]


class PeerRole(StrEnum):
    """What a peer does in its session."""

    DUPLEX = "duplex"
    """Sends video (or nothing, in text mode) and receives the processed video: ``/offer``."""
    PUBLISHER = "publisher"
    """Only sends: WHIP."""
    VIEWER = "viewer"
    """Only receives: WHEP."""


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """An SDP offer and what its sender wants; ``session=None`` asks for a generated name."""

    role: PeerRole
    sdp: str
    session: str | None = None
    chain: ChainWish = field(default_factory=ChainWish)
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """The SDP answer, complete with candidates; ``etag`` names the ICE session (RFC 9725)."""

    sdp: str
    session: str
    peer: str
    etag: str


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What the server shall read by itself; ``trusted`` is the operator's own wish, never HTTP's."""

    url: str
    loop: bool = False
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """Which pictures a preview has; those of equal requests are encoded once."""

    of: str = "output"
    """Or ``input``."""
    fps: float = 10.0
    width: int = 640


@dataclass(frozen=True, slots=True)
class PreviewPicture:
    """A JPEG and its number; empty when no newer one came in time."""

    number: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What ``POST /sessions`` may say; everything is optional."""

    name: str | None = None
    chain: ChainWish = field(default_factory=ChainWish)
    codec: str | None = None
    source: SourceRequest | None = None


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """What HTTP needs to know of a peer that is there."""

    role: PeerRole
    session: str
    etag: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The pipelines that the host can run, as PIPELINE of ``docs/protocol.md``."""

    pipelines: list[dict[str, Any]]
    failed_plugins: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def pipeline(self, pipeline_id: str) -> dict[str, Any]:
        """Look up by id. Raises `PipelineNotFound`, which lists the ids."""
        for entry in self.pipelines:
            if entry["id"] == pipeline_id:
                return entry
        ids = ", ".join(entry["id"] for entry in self.pipelines)
        raise PipelineNotFound(f"no pipeline {pipeline_id!r}; there are {ids}")


class SessionHost(Protocol):
    """Owner of all sessions. Methods raise from `lightmill.errors`; dicts are JSON-ready."""

    async def start(self) -> None:
        """Get ready to serve, once: take the ports, load what is needed.

        Raises:
            ConfigError: a configured port, device or pipeline is not there.

        """
        ...

    async def connect(self, request: PeerRequest) -> PeerAnswer:
        """Negotiate a peer, creating or joining its session."""
        ...

    async def add_candidates(self, peer: str, fragment: str) -> None:
        """Add the remote candidates of a ``trickle-ice-sdpfrag`` (RFC 8840).

        Raises:
            PeerNotFound: the peer is unknown or gone.
            InvalidDescription: the fragment is malformed, or asks for an ICE restart.

        """
        ...

    def peer(self, peer: str) -> PeerRecord:
        """Look up a peer that is there. Raises `PeerNotFound`."""
        ...

    async def disconnect(self, peer: str) -> None:
        """Close one peer on its own wish. Raises `PeerNotFound`."""
        ...

    async def create_session(self, request: SessionRequest) -> dict[str, Any]: ...

    async def sessions(self) -> list[dict[str, Any]]: ...

    async def session(self, name: str) -> dict[str, Any]: ...

    async def update_session(
        self, name: str, chain: ChainWish, *, codec: str | None = None
    ) -> dict[str, Any]:
        """Change the chain while streaming, reload with new load parameters.

        ``codec`` counts for the peers that come later.
        """
        ...

    async def fit_preset(self, document: dict[str, Any]) -> dict[str, Any]:
        """What of a preset can run here: ``{"chain": CHAIN, "left_out": [{"field", "reason"}...]}``."""
        ...

    async def update_settings(
        self, name: str, settings: dict[str, Any], stage: str = MAIN
    ) -> dict[str, Any]:
        """Apply a stage's live settings; returns the reply with what is in force."""
        ...

    async def snapshot(
        self, name: str, of: SnapshotOf = "output", image: ImageFormat = "jpg"
    ) -> bytes:
        """The newest picture that came in or was made, as JPEG or PNG."""
        ...

    async def start_recording(self, name: str) -> dict[str, Any]:
        """Begin to record. Raises `Conflict`, `LimitReached` or `Unavailable`."""
        ...

    async def stop_recording(self, name: str) -> dict[str, Any]:
        """End the recording; its file is complete then. Raises `NotFound` when none runs."""
        ...

    async def sinks(self, name: str) -> list[dict[str, Any]]:
        """Where the session's output is sent on to."""
        ...

    async def add_sink(
        self, name: str, url: str, audio: Literal["opus", "aac"] | None = None
    ) -> dict[str, Any]:
        """Send it on to ``url``. Raises `InvalidInput` or `LimitReached`."""
        ...

    async def remove_sink(self, name: str, sink: str) -> None:
        """End one. Raises `SinkNotFound`."""
        ...

    async def preview(self, name: str, request: PreviewRequest, after: int) -> PreviewPicture:
        """The newest picture of a preview, once there is a newer one than number ``after``.

        Asking keeps the preview going for some seconds, and its session counts as watched.
        """
        ...

    async def set_source(self, name: str, source: SourceRequest) -> dict[str, Any]:
        """Let the server's own source take the publisher's place; returns the SESSION.

        Raises:
            InvalidInput: the URL is malformed or not allowed.
            PublisherPresent: there is a publisher, and ``session.publisher_takeover`` is off.

        """
        ...

    async def clear_source(self, name: str) -> None:
        """End the source. Raises `NotFound` when the publisher is none."""
        ...

    async def end_session(self, name: str) -> None: ...

    async def events(self, name: str) -> EventStream:
        """Subscribe to a session, from its present state to its end; the caller closes it."""
        ...

    async def artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        """ARTIFACT of ``docs/protocol.md`` for each that the pipeline declares.

        Raises:
            PipelineNotFound: there is no such pipeline.

        """
        ...

    async def fetch_artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        """Begin to fetch what is missing; answers at once, like `artifacts`."""
        ...

    async def remove_artifacts(self, pipeline: str) -> None:
        """Delete the pipeline's files.

        Raises:
            Conflict: one is being downloaded.
            CacheUnwritable: one cannot be deleted.

        """
        ...

    def catalogue(self) -> Catalogue: ...

    def ice_servers(self) -> list[dict[str, Any]]:
        """``RTCIceServer`` dictionaries for peers: ``urls``, ``username``, ``credential``."""
        ...

    def health(self) -> dict[str, Any]: ...

    async def aclose(self) -> None:
        """End every session. Idempotent."""
        ...


def generated_name() -> str:
    """A name for a session whose client chose none."""
    return f"session-{secrets.token_hex(4)}"


def ice_servers_json(config: RtcConfig) -> list[dict[str, Any]]:
    """The configured STUN and TURN servers as ``RTCIceServer`` dictionaries."""
    servers: list[dict[str, Any]] = []
    for server in config.ice_servers:
        entry: dict[str, Any] = {"urls": list(server.urls)}
        if server.username is not None:
            entry["username"] = server.username
        if server.credential is not None:
            entry["credential"] = server.credential.get_secret_value()
        servers.append(entry)
    return servers
