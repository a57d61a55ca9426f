"""One session's life: its production, at most one publisher, any number of viewers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from lightmill.errors import Closed, LimitReached, NotFound, PeerNotFound, PublisherPresent
from lightmill.media.frames import MediaFrame
from lightmill.media.rtp import RtpPacket
from lightmill.media.source import SourceSpec
from lightmill.media.stills import encode_jpeg, encode_png
from lightmill.session.brief import brief_session
from lightmill.session.broadcast import Broadcast
from lightmill.session.data_push import DataPush
from lightmill.session.host import ImageFormat, PeerAnswer, PeerRequest, PeerRole, SnapshotOf
from lightmill.session.intake import Intake
from lightmill.session.peer import Peer
from lightmill.session.preview import Previews
from lightmill.session.production import Production
from lightmill.session.recording import RecordingDesk
from lightmill.session.services import Services
from lightmill.session.sinks import Sinks
from lightmill.session.source import Publisher, SourcePublisher
from lightmill.session.wish import MAIN, ChainWish

logger = logging.getLogger(__name__)

FAREWELL_S = 0.05
"""Time for the last message on the control channels to leave."""


class Session:
    """Created by the host, which also ends it; ``on_end`` asks the host to do so.

    ``codec`` is the preference that peers who come from now on are answered with.
    """

    def __init__(
        self,
        name: str,
        services: Services,
        *,
        pinned: bool,
        on_end: Callable[[Session, str], None],
        on_state: Callable[[Session, dict[str, Any]], None],
    ) -> None:
        self.name = name
        self.pinned = pinned
        self._services = services
        self._config = services.config
        self.codec: str = services.config.media.codec
        self._on_end = on_end
        self._on_state = on_state
        self._created = monotonic()
        self._peers: dict[str, Peer] = {}
        self._publisher: Publisher | None = None
        self._was_published = False
        self._intake = Intake()
        self._n_watching = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._end_timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self.previews = Previews(services.codecs, self._previews_changed)
        self.broadcast = Broadcast(
            *(self._config.media, services.codecs, self._card, self._viewers_changed),
            self.previews,
            self._config.recording.bitrate_bps,
        )
        self._data = DataPush(name, self._config.media.max_data_bytes)
        self.recordings = RecordingDesk(
            name, self.broadcast, self._config.recording, self._outlets_changed
        )
        self.sinks = Sinks(name, self.broadcast, self._config, self._outlets_changed)
        self.production = Production(
            name, services, self.broadcast.playout, self._announce, self._hand_out
        )
        self._spawn(self._report())

    @property
    def peers(self) -> dict[str, Peer]:
        return self._peers

    @property
    def n_viewers(self) -> int:
        return sum(peer.watches for peer in self._peers.values())

    @property
    def waits_for_publisher(self) -> bool:
        """Whether the countdown to the end runs, and a publisher may still come back."""
        return self._end_timer is not None

    def start_idle_countdown(self) -> None:
        """End a session that was created ahead and that nobody joins."""
        self._let_go()

    async def accept(self, request: PeerRequest) -> PeerAnswer:
        """Negotiate a peer; a refused offer leaves the session as it was.

        Raises:
            PublisherPresent: there is a publisher, and ``session.publisher_takeover`` is off.
            Closed: the session ends.
            LimitReached: ``session.max_viewers`` are here already.
            InvalidDescription: the offer cannot be negotiated.

        """
        self._check_open()
        publishes = request.role is not PeerRole.VIEWER
        if publishes:
            self._check_takeover()
        if (
            request.role is not PeerRole.PUBLISHER
            and self.n_viewers >= self._config.session.max_viewers
        ):
            raise LimitReached(f"{self.name} has {self.n_viewers} viewers; see session.max_viewers")
        peer = Peer(request.role, self, self._services, self if publishes else None)
        self._peers[peer.id] = peer
        try:
            sdp = await peer.negotiate(request.sdp, self.codec)
        except BaseException:
            self._peers.pop(peer.id, None)
            raise
        self._keep()
        if publishes:
            await self._install(peer)
        self._announce()
        return PeerAnswer(sdp, self.name, peer.id, peer.etag)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise Closed(f"{self.name} has ended")

    def _check_takeover(self) -> None:
        if self._publisher and not self._is_over and not self._config.session.publisher_takeover:
            raise PublisherPresent(
                f"{self.name} has a publisher; stop it first or set session.publisher_takeover"
            )

    @property
    def source(self) -> SourcePublisher | None:
        """The publisher, when it is no peer."""
        return self._publisher if isinstance(self._publisher, SourcePublisher) else None

    @property
    def _is_over(self) -> bool:
        return self.source is not None and self.source.is_over

    @property
    def is_fed(self) -> bool:
        """Whether a source keeps the session, though nobody may be there."""
        return self.source is not None and not self.source.is_over

    async def set_source(self, spec: SourceSpec) -> None:
        """Let the server's own source take the publisher's place.

        Raises:
            Closed: the session ends.
            PublisherPresent: there is a publisher, and ``session.publisher_takeover`` is off.

        """
        self._check_open()
        self._check_takeover()
        source = SourcePublisher(spec, self, self._config)
        self._keep()
        await self._install(source)
        if self._publisher is source:
            source.start()
        self._announce()

    async def clear_source(self) -> None:
        """End the source. Raises `NotFound` without one."""
        source = self.source
        if source is None:
            raise NotFound(f"{self.name} has no source; PUT one to /sessions/{self.name}/source")
        self._publisher = None
        self._intake.publisher_left()
        await source.aclose("ended by request")
        self._let_go()
        self._announce()

    def source_changed(self, source: SourcePublisher) -> None:
        """Its state changed; what has ended no longer keeps the session."""
        if source is self._publisher:
            if source.is_over:
                self._let_go()
            self._announce()

    async def _install(self, peer: Publisher) -> None:
        """Make ``peer`` the publisher; one that was there is closed: the newest wins."""
        old, self._publisher = self._publisher, peer
        self.broadcast.sound.publisher_changed()
        self._was_published = True
        if old is not None:
            self._peers.pop(old.id, None)
            old.push({"type": "ended", "reason": "another publisher took over"})
            await old.aclose("taken over")

    def feed(self, peer: Publisher, frame: MediaFrame) -> None:
        """Take a frame of the present publisher."""
        if peer is not self._publisher:
            return
        if self._intake.take(frame):
            asyncio.get_running_loop().call_soon(self._announce)
        if frame.rtp_timestamp is not None:
            self.broadcast.sound.frame_arrived(frame.rtp_timestamp, frame.arrival)
        self.previews.offer("input", frame)
        self.production.feed(frame)

    def hear(self, peer: Publisher, packet: RtpPacket, now: float) -> None:
        """Take an Opus packet of the present publisher."""
        if peer is self._publisher:
            self.broadcast.sound.feed(packet, now)

    def report(self, peer: Peer, kind: str, ntp: int, timestamp: int) -> None:
        """Take a sender report of the present publisher."""
        if peer is self._publisher:
            self.broadcast.sound.report(kind, ntp, timestamp)

    def peer_changed(self, peer: Peer) -> None:
        self._announce()

    def peer_gone(self, peer: Peer, reason: str) -> None:
        """A connection broke: its place is kept for ``session.grace_s``."""
        self._spawn(self._remove(peer, reason, wanted=False))

    async def leave(self, peer_id: str) -> None:
        """A peer says goodbye."""
        peer = self._peers.get(peer_id)
        if peer is None:
            raise PeerNotFound(f"peer {peer_id} has left {self.name}")
        await self._remove(peer, "left", wanted=True)

    async def _remove(self, peer: Peer, reason: str, *, wanted: bool) -> None:
        if self._peers.pop(peer.id, None) is None:
            return
        logger.info("%s: %s %s: %s", self.name, peer.role, peer.id, reason)
        was_publisher = peer is self._publisher
        if was_publisher:
            self._publisher = None
            self._intake.publisher_left()
        await peer.aclose(reason)
        self._announce()
        if self.is_fed:
            return
        if not self._peers and (wanted or not was_publisher) and not self.pinned:
            self._on_end(self, "everybody left")
        elif not self._peers or was_publisher:
            self._let_go()

    def _let_go(self) -> None:
        """Start the countdown to the end: grace for a lost publisher, idle time when pinned."""
        limits = self._config.session
        if self._publisher is not None and not self._is_over:
            return  # another came while the last one was being closed
        if self.pinned and self._has_outlets:
            return
        if self.pinned and (self._peers or not limits.idle_s):
            return
        delay = limits.idle_s if self.pinned else limits.grace_s
        reason = "idle" if self.pinned else f"the publisher did not come back within {delay:g} s"
        self._keep()
        self._end_timer = asyncio.get_running_loop().call_later(delay, self._on_end, self, reason)

    def _keep(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None

    async def update(self, chain: ChainWish) -> dict[str, Any]:
        await self.production.switch(chain)
        return self.describe()

    async def update_settings(self, settings: dict[str, Any], stage: str = MAIN) -> dict[str, Any]:
        return await self.production.update_settings(settings, stage)

    def control(self, keys: list[str], dx: float, dy: float) -> None:
        self.production.control(keys, dx, dy)

    async def snapshot(self, of: SnapshotOf, image: ImageFormat) -> bytes:
        """The newest picture that came in or was made. Raises `NotFound` before the first."""
        last = self._intake.newest if of == "input" else self.broadcast.last
        if last is None:
            raise NotFound(f"{self.name} has no {of} picture yet; try again when it is live")
        return await asyncio.to_thread(encode_png if image == "png" else encode_jpeg, last.frame)

    @property
    def state(self) -> str:
        production = self.production
        if production.failed:
            return "failed"
        if production.mode is None:
            return "loading"
        if production.mode == "text":
            watched = self.n_viewers or self.broadcast.taps or self.previews.wants("output")
            return "live" if watched else "paused"
        if self._publisher is None:
            return "grace" if self._was_published else "waiting"
        return "live" if self._intake.is_fresh(monotonic()) else "waiting"

    def _card(self) -> tuple[str, list[str]] | None:
        """Title and lines to show while there is no picture."""
        cards = {
            "loading": ("Loading", self.production.loading.line),
            "waiting": ("Waiting for the publisher", "The picture starts by itself."),
            "grace": ("The publisher left", "Its return is awaited."),
            "failed": ("The pipeline failed", self.production.error or ""),
        }
        card = cards.get(self.state)
        if card and self.state == "waiting" and self.source is not None:
            card = self.source.card
        return (card[0], [self.name, card[1]]) if card else None

    def describe(self) -> dict[str, Any]:
        """The SESSION of ``docs/protocol.md``."""
        now, broadcast, publisher = monotonic(), self.broadcast, self._publisher
        return {
            "name": self.name,
            "state": self.state,
            **self.production.describe(),
            "codec": self.codec,
            "loading": self.production.loading.to_json(),
            "error": self.production.error,
            "warnings": self._warnings(),
            "publisher": publisher and publisher.describe(),
            "viewers": self.n_viewers,
            "created_s_ago": round(now - self._created, 3),
            "input": self._intake.describe(now, self.production.dropped),
            "output": broadcast.describe(now),
            "audio": broadcast.sound.describe(now),
            "data": self._data.describe(),
            "recording": self.recordings.describe(),
            "sinks": self.sinks.describe(),
            "latency_ms": {name: window.summary() for name, window in broadcast.latency.items()},
        }

    def _warnings(self) -> list[str]:
        found = self.production.warnings
        if self.recordings.warning:
            found.append(self.recordings.warning)
        if self.source and self.source.why:
            found.append(f"source: {self.source.why}")
        return found

    def channel_opened(self, peer: Peer) -> None:
        peer.push({"type": "state", "session": brief_session(self.describe())})

    def prefer(self, codec: str) -> None:
        """Set the codec for the peers that come later."""
        self.codec = codec
        self._announce()

    def _announce(self) -> None:
        session = self.describe()
        self._push({"type": "state", "session": brief_session(session)})
        self._on_state(self, session)

    def _push(self, message: dict[str, Any]) -> None:
        for peer in self._peers.values():
            peer.push(message)

    def _hand_out(self, stage: str, pipeline: str, data: str) -> None:
        self._data.push(stage, pipeline, data, self._peers.values())

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self._config.session.stats_interval_s)
            self._announce()

    def _viewers_changed(self, count: int) -> None:
        self._n_watching = count
        self._previews_changed()

    def _previews_changed(self) -> None:
        self.production.set_demand(self._n_watching > 0 or self.previews.wants("output"))

    @property
    def _has_outlets(self) -> bool:
        return self.recordings.active or self.sinks.active

    def _outlets_changed(self) -> None:
        """A recording or a sink keeps a session that was made ahead as a peer does."""
        if self._closing is None and self.pinned and not self._peers:
            if self._has_outlets:
                self._keep()
            else:
                self._let_go()
        self._announce()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self, reason: str) -> None:
        """Tell everybody, close every peer, stop computing. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str) -> None:
        self._keep()
        if self.source is not None:
            await self.source.aclose(reason)
        self.previews.close()
        if any(peer.channel for peer in self._peers.values()):
            self._push({"type": "ended", "reason": reason})
            await asyncio.sleep(FAREWELL_S)
        peers, self._peers = list(self._peers.values()), {}
        closing = (peer.aclose(reason) for peer in peers)
        for failure in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(failure, Exception):
                logger.error("%s: a peer did not close cleanly", self.name, exc_info=failure)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self.recordings.aclose(), self.sinks.aclose())
        await self.production.aclose()
        await self.broadcast.aclose()
        logger.info("%s: ended: %s", self.name, reason)
