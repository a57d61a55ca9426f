"""One session's output: playout, one encoder per negotiated codec, packets to every viewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from lightmill.config import MediaConfig
from lightmill.errors import Closed
from lightmill.media.fanout import Subscription
from lightmill.media.frames import MediaFrame, OutgoingFrame
from lightmill.media.playout import Playout
from lightmill.media.stills import waiting_card
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Rate, Window
from lightmill.session.lane import Lane
from lightmill.session.sound import SessionSound

CARD_SIZE = (640, 360)
STILL_AFTER_S = 0.25
"""A picture this old is sent again when a viewer needs a keyframe."""


class Viewer:
    """One viewer's place in a broadcast, and the source of its sender's frames.

    It takes part from its first `recv` on, that is, when it is connected: what it sees first is
    a keyframe made for it, and nothing was computed or kept for it before.
    """

    def __init__(self, lane: Lane, on_begin: Callable[[], None]) -> None:
        self.lane = lane
        self.begun = False
        self._on_begin = on_begin
        self._subscription: Subscription | None = None
        self._closed = False

    async def recv(self) -> OutgoingFrame:
        """The next frame, a keyframe first.

        Raises:
            Closed: the viewer has left or the broadcast has ended.

        """
        if self._subscription is None:
            if self._closed:
                raise Closed("the viewer has left")
            self._subscription = self.lane.fanout.subscribe()
            self.begun = True
            self._on_begin()
        return await self._subscription.recv()

    def keyframe_wanted(self) -> None:
        self.lane.gate.request()

    def estimate(self, bitrate_bps: int) -> None: ...

    def report(self, fraction_lost: float, rtt_s: float | None) -> None: ...

    def close(self) -> None:
        self._closed = True
        if self._subscription is not None:
            self._subscription.close()


class Broadcast:
    """Owns the playout and the lanes; shows a card while there is no picture."""

    def __init__(
        self,
        config: MediaConfig,
        threads: CodecThreads,
        card: Callable[[], tuple[str, list[str]] | None],
        on_viewers: Callable[[int], None],
    ) -> None:
        self.sound = SessionSound(threads, config.audio_bitrate_bps)
        self.playout = Playout()
        self.last: MediaFrame | None = None
        self.rate = Rate()
        self.frames = 0
        self.latency = {
            name: Window() for name in ("queue", "inference", "playout", "encode", "total")
        }
        self._config = config
        self._threads = threads
        self._card = card
        self._on_viewers = on_viewers
        self._lanes: dict[str, Lane] = {}
        self._viewers: set[Viewer] = set()
        self._origin = monotonic()
        self._shown_at = 0.0
        self._tasks = [
            asyncio.create_task(self._play(), name="playout"),
            asyncio.create_task(self._keep_alive(), name="card"),
        ]

    @property
    def lanes(self) -> list[Lane]:
        return list(self._lanes.values())

    def join(self, codec: str) -> Viewer:
        """Add a viewer that takes ``codec``."""
        if codec not in self._lanes:
            self._lanes[codec] = Lane(
                codec, self._config, self._threads, self._origin, self._measure
            )
        viewer = Viewer(self._lanes[codec], self._count)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go; a lane without viewers gives its encoder back. Idempotent."""
        if viewer not in self._viewers:
            return
        self._viewers.discard(viewer)
        viewer.close()
        self._count()
        lane = viewer.lane
        unused = not any(other.lane is lane for other in self._viewers)
        if unused and self._lanes.get(lane.codec) is lane:
            del self._lanes[lane.codec]
            lane.close()

    def _count(self) -> None:
        self._on_viewers(sum(viewer.begun for viewer in self._viewers))

    async def _play(self) -> None:
        while True:
            try:
                frame = await self.playout.recv()
            except Closed:
                return
            self.last, self._shown_at = frame, monotonic()
            self.frames += 1
            self.rate.tick(self._shown_at)
            self.sound.frame_released(frame, self._shown_at)
            for lane in self._lanes.values():
                lane.offer(frame)

    async def _keep_alive(self) -> None:
        phase = 0.0
        while True:
            await asyncio.sleep(1 / self._config.waiting_fps)
            if not self._lanes or monotonic() - self._shown_at < STILL_AFTER_S:
                continue
            phase += 1 / self._config.waiting_fps
            text = self._card()
            if text is not None:
                picture = waiting_card(*self._card_size(), text[0], text[1], phase)
                frame = MediaFrame(picture, monotonic())
            elif self.last is not None:
                frame = self.last
            else:
                continue
            for lane in self._lanes.values():
                if text is not None or lane.gate.requested:
                    lane.offer(frame)

    def _card_size(self) -> tuple[int, int]:
        return (self.last.frame.width, self.last.frame.height) if self.last else CARD_SIZE

    def _measure(self, frame: MediaFrame) -> None:
        """Record where this frame's time went, in milliseconds."""
        now, inferred, released = monotonic(), frame.inferred, frame.released
        if inferred is None or released is None:
            return
        if frame.dequeued is not None:
            self.latency["queue"].add((frame.dequeued - frame.arrival) * 1000)
            self.latency["inference"].add((inferred - frame.dequeued) * 1000)
        self.latency["playout"].add((released - inferred) * 1000)
        self.latency["encode"].add((now - released) * 1000)
        self.latency["total"].add((now - frame.arrival) * 1000)
        if now - released < STILL_AFTER_S:  # a still is sent again, and says nothing about delay
            self.sound.frame_encoded(frame, now)

    async def aclose(self) -> None:
        """End playout, encoders and subscriptions. Idempotent."""
        self.playout.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        lanes, self._lanes = self.lanes, {}
        for lane in lanes:
            lane.close()
        self.sound.close()
