"""What signaling may ask of sessions: plain serialisable values in, plain values out.

The host is this process today; nothing here holds a track, a peer connection or a tensor, so
that it can be a worker on another machine tomorrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


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
    pipeline: str | None = None
    mode: str | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """The SDP answer, complete with candidates; ``etag`` names the ICE session (RFC 9725)."""

    sdp: str
    session: str
    peer: str
    etag: str


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What ``POST /sessions`` may say; everything is optional."""

    name: str | None = None
    pipeline: str | None = None
    mode: str | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


class SessionHost(Protocol):
    """Owner of all sessions. Methods raise from `lightmill.errors`; dicts are JSON-ready."""

    async def start(self) -> None:
        """Take the ports. Raises `ConfigError` when one cannot be used."""
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

    def etag(self, peer: str) -> str:
        """The peer's current ETag. Raises `PeerNotFound`."""
        ...

    def role(self, peer: str) -> PeerRole:
        """The peer's role. Raises `PeerNotFound`."""
        ...

    def session_of(self, peer: str) -> str:
        """The name of the peer's session. Raises `PeerNotFound`."""
        ...

    async def disconnect(self, peer: str) -> None:
        """Close one peer on its own wish. Raises `PeerNotFound`."""
        ...

    async def create_session(self, request: SessionRequest) -> dict[str, Any]: ...

    def sessions(self) -> list[dict[str, Any]]: ...

    def session(self, name: str) -> dict[str, Any]: ...

    async def update_session(
        self,
        name: str,
        *,
        pipeline: str | None = None,
        mode: str | None = None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Switch pipeline or mode while streaming, reload with new load parameters."""
        ...

    async def update_settings(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Apply live settings; returns the reply with what is in force."""
        ...

    async def snapshot(self, name: str) -> bytes:
        """The newest processed picture as JPEG."""
        ...

    async def end_session(self, name: str) -> None: ...

    def ice_servers(self) -> list[dict[str, Any]]:
        """``RTCIceServer`` dictionaries for peers: ``urls``, ``username``, ``credential``."""
        ...

    def health(self) -> dict[str, Any]: ...

    async def aclose(self) -> None:
        """End every session. Idempotent."""
        ...
