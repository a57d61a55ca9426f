"""One session's output: playout, one encoder per negotiated codec, packets to every viewer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import av

from lightmill.config import MediaConfig
from lightmill.errors import Closed
from lightmill.media.encode import EncodedPacket, VideoEncoder
from lightmill.media.fanout import KeyframeGate, PacketFanout, Subscription
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.media.stills import waiting_card
from lightmill.metrics import Rate, Window
from lightmill.session.aiortc_seam import Packetiser
from lightmill.session.sound import SessionSound

logger = logging.getLogger(__name__)

CARD_SIZE = (640, 360)
SEND_RATE_WINDOW_S = 0.5
FILLED = 0.8
"""Sending less than this share of an estimate means that the picture needs no more."""
STILL_AFTER_S = 0.25
"""A picture this old is sent again when a viewer needs a keyframe."""


class Lane:
    """One codec's encoder, fed with the newest frame, and the viewers of its packets."""

    def __init__(
        self,
        codec: str,
        config: MediaConfig,
        pool: ThreadPoolExecutor,
        on_encoded: Callable[[MediaFrame, EncodedPacket], None],
    ) -> None:
        self.codec = codec
        self.packetiser = Packetiser(codec)
        self.gate = KeyframeGate(config.keyframe_interval_min_s)
        self.fanout = PacketFanout(self.gate.request, config.viewer_queue_packets)
        self.bytes = 0
        self._config = config
        self._estimates: dict[object, int] = {}
        self._sent_bps = 0.0
        self._counted, self._counted_at = 0, monotonic()
        self._encoder = VideoEncoder(codec, config.start_bitrate_bps, config.max_bitrate_bps)
        self._pool = pool
        self._on_encoded = on_encoded
        self._waiting: MediaFrame | None = None
        self._arrived = asyncio.Event()
        self._origin = monotonic()
        self._last_pts = -1
        self._task = asyncio.create_task(self._run(), name=f"encode:{codec}")

    @property
    def bitrate_bps(self) -> int:
        return self._encoder.bitrate_bps

    def offer(self, frame: MediaFrame) -> None:
        """Encode this frame next; one that still waits is replaced (newest wins)."""
        self._waiting = frame
        self._arrived.set()

    def estimate(self, viewer: object, bitrate_bps: int | None) -> None:
        """Take a viewer's REMB; the lowest one drives the encoder, within the limits.

        A receiver cannot see more room than the picture fills: while we send clearly less than
        an estimate, it says nothing about the network and does not push us below the start rate.
        """
        if bitrate_bps is None:
            self._estimates.pop(viewer, None)
            return
        now = monotonic()
        if now - self._counted_at >= SEND_RATE_WINDOW_S:
            self._sent_bps = (self.bytes - self._counted) * 8 / (now - self._counted_at)
            self._counted, self._counted_at = self.bytes, now
        if self._sent_bps < FILLED * bitrate_bps:
            bitrate_bps = max(bitrate_bps, self._config.start_bitrate_bps)
        self._estimates[viewer] = bitrate_bps
        low, high = self._config.min_bitrate_bps, self._config.max_bitrate_bps
        self._encoder.bitrate_bps = max(low, min(high, *self._estimates.values()))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            frame, self._waiting = self._waiting, None
            if frame is None:
                continue
            now = monotonic()
            keyframe = self.gate.take(now)
            pts = max(self._last_pts + 1, round((now - self._origin) * 90_000))
            self._last_pts = pts
            try:
                packets = await loop.run_in_executor(
                    self._pool, self._encode, frame.frame, keyframe, pts
                )
            except Exception:
                logger.exception("%s encoder failed; it starts anew", self.codec)
                self._encoder.close()
                self.gate.request()
                continue
            for packet in packets:
                self.bytes += len(packet.data)
                self.fanout.publish(packet)
                self._on_encoded(frame, packet)

    def _encode(self, frame: av.VideoFrame, keyframe: bool, pts: int) -> list[EncodedPacket]:
        return self._encoder.encode(frame, keyframe=keyframe, pts_90k=pts)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.fanout.close()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._encoder.close)


class Broadcast:
    """Owns the playout and the lanes; shows a card while there is no picture."""

    def __init__(
        self,
        config: MediaConfig,
        pool: ThreadPoolExecutor,
        card: Callable[[], tuple[str, list[str]] | None],
        on_viewers: Callable[[int], None],
    ) -> None:
        self.sound = SessionSound(pool, config.audio_bitrate_bps)
        self.playout = Playout()
        self.last: MediaFrame | None = None
        self.rate = Rate()
        self.frames = 0
        self.latency = {
            name: Window() for name in ("queue", "inference", "playout", "encode", "total")
        }
        self._config = config
        self._pool = pool
        self._card = card
        self._on_viewers = on_viewers
        self._lanes: dict[str, Lane] = {}
        self._viewers = 0
        self._shown_at = 0.0
        self._tasks = [
            asyncio.create_task(self._play(), name="playout"),
            asyncio.create_task(self._keep_alive(), name="card"),
        ]

    @property
    def lanes(self) -> list[Lane]:
        return list(self._lanes.values())

    def lane(self, codec: str) -> Lane:
        if codec not in self._lanes:
            self._lanes[codec] = Lane(codec, self._config, self._pool, self._measure)
        return self._lanes[codec]

    def subscribe(self, codec: str) -> Subscription:
        subscription = self.lane(codec).fanout.subscribe()
        self._viewers += 1
        self._on_viewers(self._viewers)
        return subscription

    async def unsubscribe(self, codec: str, subscription: Subscription) -> None:
        """Let a viewer go; a lane without viewers gives its encoder back."""
        subscription.close()
        self._viewers -= 1
        self._on_viewers(self._viewers)
        lane = self._lanes.get(codec)
        if lane is not None and not len(lane.fanout):
            del self._lanes[codec]
            await lane.aclose()

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

    def _measure(self, frame: MediaFrame, packet: EncodedPacket) -> None:
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
        if now - released < STILL_AFTER_S:
            self.sound.frame_encoded(frame, now)

    async def aclose(self) -> None:
        """End playout, encoders and subscriptions. Idempotent."""
        self.playout.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        lanes, self._lanes = self.lanes, {}
        for lane in lanes:
            await lane.aclose()
        await self.sound.aclose()
