"""A publisher that is no peer: a file, a camera or a URL that this server reads itself."""

from __future__ import annotations

import asyncio
import logging
import secrets
from functools import partial
from time import monotonic
from typing import Any, Protocol

import av

from lightmill.config import Config
from lightmill.media.audio import SAMPLE_RATE_HZ
from lightmill.media.crossing import Crossing
from lightmill.media.frames import MediaFrame
from lightmill.media.inputs import InputLimits
from lightmill.media.rtp import SEQUENCE_MODULUS, TIMESTAMP_MODULUS, RtpPacket
from lightmill.media.source import OVER, SourceLimits, SourceReader, SourceSpec, SourceState

logger = logging.getLogger(__name__)

CLOSE_S = 2.0
"""A thread that resolves a host name may take longer; it then ends by itself, unheard."""
OPUS_PAYLOAD_TYPE = 111
"""Any dynamic one; nobody reads it."""


class Publisher(Protocol):
    """Who sends: a `Peer`, or a `SourcePublisher`."""

    id: str
    codec: str | None

    @property
    def state(self) -> str: ...

    def describe(self) -> dict[str, Any]: ...

    def push(self, message: dict[str, Any]) -> None: ...

    async def aclose(self, reason: str) -> None: ...


class SourceOwner(Protocol):
    """What a source needs of its session."""

    name: str

    def feed(self, peer: Any, frame: MediaFrame) -> None: ...

    def hear(self, peer: Any, packet: RtpPacket, now: float) -> None: ...

    def source_changed(self, source: SourcePublisher) -> None: ...


class SourcePublisher:
    """Implements `Publisher`. Pictures cross to the loop through a place for one: the newest wins."""

    role = "source"
    codec: str | None = None

    def __init__(self, spec: SourceSpec, owner: SourceOwner, config: Config) -> None:
        self.id = secrets.token_hex(8)
        self.spec = spec
        self.why: str | None = None
        self._state = SourceState.CONNECTING
        self._owner = owner
        self._crossing = Crossing(self._frame, self._packet)
        self._ssrc = secrets.randbits(32)
        self._sequence = 0
        self._closed = False
        limits = SourceLimits(
            InputLimits(
                config.sources.open_timeout_s,
                config.sources.read_timeout_s,
                config.media.max_picture_pixels,
            ),
            config.sources.reconnect_max_s,
            config.media.audio_bitrate_bps,
        )
        self._reader = SourceReader(spec, limits, self)

    def start(self) -> None:
        self._reader.start()

    @property
    def state(self) -> str:
        return str(self._state)

    @property
    def is_over(self) -> bool:
        """Whether it has ended or failed for good."""
        return self._state in OVER

    @property
    def card(self) -> tuple[str, str]:
        """What viewers see while no picture comes: a title and a line."""
        why = self.why or "The picture starts by itself."
        titles = {
            SourceState.ENDED: ("The source has ended", "Set another one, or publish."),
            SourceState.FAILED: ("The source cannot be shown", why),
            SourceState.RECONNECTING: ("The source is lost", why),
        }
        return titles.get(self._state, ("Waiting for the source", why))

    def describe(self) -> dict[str, Any]:
        """The ``publisher`` of a SESSION."""
        return {
            "peer": self.id,
            "role": self.role,
            "state": self.state,
            "codec": None,
            "url": self.spec.shown,
            "loop": self.spec.loop,
            "error": self.why,
            "dropped": self._crossing.dropped,
        }

    def push(self, message: dict[str, Any]) -> None:
        """Nobody listens."""

    def picture(self, frame: av.VideoFrame) -> None:
        """In the reader's thread."""
        self._crossing.put_frame(frame)

    def sound(self, payload: bytes, media_s: float, due: float) -> None:
        """In the reader's thread."""
        self._crossing.put_sound(payload, media_s, due)

    def state_changed(self, state: SourceState, why: str | None) -> None:
        """In the reader's thread."""
        self._crossing.call(partial(self._become, state, why))

    def _frame(self, frame: av.VideoFrame) -> None:
        if not self._closed:
            self._owner.feed(self, MediaFrame(frame, monotonic()))

    def _packet(self, payload: bytes, media_s: float, due: float) -> None:
        if self._closed:
            return
        timestamp = round(media_s * SAMPLE_RATE_HZ) % TIMESTAMP_MODULUS
        packet = RtpPacket(OPUS_PAYLOAD_TYPE, False, self._sequence, timestamp, self._ssrc, payload)
        self._sequence = (self._sequence + 1) % SEQUENCE_MODULUS
        self._owner.hear(self, packet, due)

    def _become(self, state: SourceState, why: str | None) -> None:
        if self._closed:
            return
        changed = (state, why) != (self._state, self.why)
        self._state, self.why = state, why
        if changed:
            name, shown = self._owner.name, self.spec.shown
            logger.info("%s: source %s is %s%s", name, shown, state, f": {why}" if why else "")
            self._owner.source_changed(self)

    async def aclose(self, reason: str = "closed") -> None:
        """End the thread, and wait for it at most `CLOSE_S`. Idempotent."""
        self._closed = True
        self._reader.stop()
        if not await asyncio.to_thread(self._reader.join, CLOSE_S):
            logger.warning(
                "%s: the source's thread ends later: it waits for a name", self._owner.name
            )
