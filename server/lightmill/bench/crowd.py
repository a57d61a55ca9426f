"""All peers of one run, opened together and closed together."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any

from lightmill.bench.options import BenchOptions, Kind, session_urls
from lightmill.bench.peers import Exchange, Peer
from lightmill.bench.receiving import VideoTap
from lightmill.bench.sending import ClipTrack, PackedClip
from lightmill.bench.signalling import Answer, Signalling
from lightmill.bench.timeline import Follower

AT_ONCE = 4
"""Sessions that connect at the same time: a handshake costs much more than a frame."""


@dataclass(slots=True)
class BenchSession:
    """One publisher and its viewers; in `Kind.OFFER` both are one peer."""

    track: ClipTrack | None
    taps: list[VideoTap]
    peers: list[Peer]


class Crowd:
    """Use as ``async with``; leaving it ends every peer here and at the server."""

    def __init__(self, options: BenchOptions, packed: PackedClip) -> None:
        self.sessions: list[BenchSession] = []
        self._options = options
        self._packed = packed
        self._signalling = Signalling(options.token)
        self._stack = AsyncExitStack()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Crowd:
        self._stack.push_async_callback(self._signalling.aclose)
        self._stack.push_async_callback(self._close_peers)
        start = monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(self._options.sessions):
                    group.create_task(self._open(index, start))
        except BaseExceptionGroup as errors:
            await self._stack.aclose()
            raise errors.exceptions[0] from None
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def lost(self) -> int:
        """Sessions of which some peer is no longer connected."""
        return sum(not all(peer.connected for peer in session.peers) for session in self.sessions)

    async def _open(self, index: int, start: float) -> None:
        options = self._options
        async with self._turns:
            # Cameras are not synchronous: spread the sessions' frames over the interval.
            phase_s = index / options.sessions / options.fps
            session = self._plan(index, start + phase_s)
            self.sessions.append(session)
            what = f"session {index + 1} of {options.url}"
            for peer, exchange in zip(session.peers, self._ways(session, index), strict=False):
                await peer.open(exchange)
                if peer.tap is None:
                    await peer.ready(options.connect_timeout_s, what)
            for peer in session.peers:
                await peer.ready(options.connect_timeout_s, what)

    def _plan(self, index: int, start: float) -> BenchSession:
        """The session's peers, publisher first, unconnected."""
        options, codec = self._options, self._options.codec
        track = None if options.kind is Kind.WHEP else ClipTrack(self._packed, start)
        taps: list[VideoTap] = []
        for viewer in range(options.viewers_of_a_session):
            probes = track is not None and not viewer and index < options.probes
            follower = Follower(track.timeline) if track and probes else None
            taps.append(VideoTap(codec, follower, options.room_bps))
        if options.kind is Kind.OFFER:
            peers = [Peer(codec, track, taps[0])]
        else:
            peers = [Peer(codec, None, tap) for tap in taps]
            if track is not None:
                peers.insert(0, Peer(codec, track, None))
        return BenchSession(track, taps, peers)

    def _ways(self, session: BenchSession, index: int) -> list[Exchange]:
        """How each peer that offers reaches its other side."""
        options, signalling = self._options, self._signalling
        if options.kind is Kind.LOOPBACK:
            return [session.peers[1].answer]
        extra: dict[str, Any] = {"pipeline": options.pipeline} if options.pipeline else {}
        if options.kind is Kind.OFFER:

            async def post(sdp: str) -> Answer:
                return await signalling.offer(options.url, sdp, extra)

            return [post]
        whip, whep = session_urls(options.url, index)

        async def publish(sdp: str) -> Answer:
            query = f"?pipeline={options.pipeline}" if options.pipeline else ""
            return await signalling.sdp(whip + query, sdp)

        async def watch(sdp: str) -> Answer:
            return await signalling.sdp(whep, sdp)

        watching: list[Exchange] = [watch] * len(session.taps)
        return [publish, *watching] if session.track else watching

    async def _close_peers(self) -> None:
        peers = [peer for session in self.sessions for peer in session.peers]
        resources = [peer.resource for peer in peers if peer.resource]
        await asyncio.gather(*(self._signalling.delete(resource) for resource in resources))
        await asyncio.gather(*(peer.aclose() for peer in peers))
