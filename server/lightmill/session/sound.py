"""One session's sound: the publisher's Opus, or the pipeline's own, in step with the picture."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

from lightmill.errors import Closed, MediaError
from lightmill.media.audio import (
    LATENCY_FRAMES,
    LATENCY_WINDOW_S,
    SAMPLE_RATE_HZ,
    AudioDelay,
    OpusPacket,
    RunningMedian,
)
from lightmill.media.frames import MediaFrame, OutgoingFrame
from lightmill.media.lipsync import LipSync
from lightmill.media.opus import PACKET_S, Sound, SoundEncoder
from lightmill.media.rtp import RtpPacket
from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

VIEWER_PACKETS = 50
"""Packets that wait for a slow viewer: a second. Then the oldest goes."""
SOUNDS = 4
"""Chunks of sound that wait for their encoder; then the oldest goes."""
SKEW_PACKETS = 25
"""The publisher's own skew is looked at every half second."""
LINGER_S = 2.0
"""The pipeline's sound, or any sound, counts as ended this long after its last."""
SEAM_S = 0.06
"""A chunk's sound that begins this far from the end of the last one does not continue it."""
PULL = 0.1
"""Share of a smaller difference that each chunk corrects."""


class SoundSubscription:
    """One viewer's packets, from its first `recv` on, that is, when it is connected.

    With `VIEWER_PACKETS` waiting the oldest is dropped and counted.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._begun = False
        self._queue: deque[OutgoingFrame] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    async def recv(self) -> OutgoingFrame:
        """Return the next packet; cancelling it loses none. Raises `Closed` at the end."""
        self._begun = True
        while not self._queue:
            if self._closed:
                raise Closed("the subscription has ended")
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def offer(self, packet: OutgoingFrame) -> None:
        if not self._begun:
            return
        if len(self._queue) >= VIEWER_PACKETS:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(packet)
        self._arrived.set()

    def keyframe_wanted(self) -> None:
        """Sound has none."""

    def estimate(self, bitrate_bps: int) -> None:
        """The picture gives way, not the sound."""

    def report(self, fraction_lost: float, rtt_s: float | None) -> None: ...

    def close(self) -> None:
        """End `recv`; closing again does nothing."""
        self._closed = True
        self._queue.clear()
        self._arrived.set()


class SessionSound:
    """Owned and closed by the session; everything but the encoding happens on the event loop.

    The publisher's packets pass unless the pipeline makes sound itself.
    """

    def __init__(self, pool: ThreadPoolExecutor, bitrate_bps: int) -> None:
        self.lipsync = LipSync()
        self._delay = AudioDelay()
        self._voice = _Voice(pool, bitrate_bps, self._schedule)
        self._active = self._delay
        # Pictures stand for the time of their release, and leave when they are encoded.
        self._encoding = RunningMedian(LATENCY_WINDOW_S, *LATENCY_FRAMES)
        self._ssrc: int | None = None
        self._heard_at: float | None = None
        self._subscriptions: set[SoundSubscription] = set()
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self) -> SoundSubscription:
        subscription = SoundSubscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: SoundSubscription) -> None:
        subscription.close()
        self._subscriptions.discard(subscription)

    def publisher_changed(self) -> None:
        """Another publisher, or none: its clocks and its sound begin anew."""
        self.lipsync = LipSync()
        self._ssrc = None

    def feed(self, packet: RtpPacket, now: float) -> None:
        """Take an Opus packet of the present publisher."""
        self.lipsync.audio.arrived(packet.timestamp, now)
        if packet.sequence_number % SKEW_PACKETS == 0:
            self._delay.skew_s = self.lipsync.skew_s
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._delay.restart()
        if not packet.payload:
            return
        self._heard_at = now
        self._delay.push(
            OpusPacket(packet.payload, packet.timestamp, now, packet.sequence_number, packet.marker)
        )
        self._schedule()

    def report(self, kind: str, ntp: int, timestamp: int) -> None:
        """Take a sender report of the publisher's ``audio`` or ``video`` (RFC 3550 section 6.4.1)."""
        stream = self.lipsync.audio if kind == "audio" else self.lipsync.video
        stream.report(ntp, timestamp)

    def frame_arrived(self, timestamp: int, now: float) -> None:
        """Note a picture's RTP timestamp and its arrival, before it is queued."""
        self.lipsync.video.arrived(timestamp, now)

    def frame_released(self, frame: MediaFrame, now: float) -> None:
        """Play the sound that belongs to a frame on its way to the encoder."""
        if frame.sound is not None and self._subscriptions:
            self._voice.play(frame.sound, frame.sound_at_s, now)

    def frame_encoded(self, frame: MediaFrame, now: float) -> None:
        """Learn from a frame that leaves how long pictures take."""
        if frame.released is None:
            return
        self._delay.video_latency(now - frame.arrival, now)
        self._encoding.add(now - frame.released, now)
        if frame.sound is not None:
            self._voice.line.video_latency(now - frame.released, now)

    def _schedule(self) -> None:
        """Send what is due and come back for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = monotonic()
        self._choose(now)
        idle = self._delay if self._active is self._voice.line else self._voice.line
        while idle.pop(now) is not None:
            pass
        while (packet := self._active.pop(now)) is not None:
            at = packet.at_s - (self._encoding.value or 0.0)
            frame = OutgoingFrame([packet.payload], packet.timestamp, at, marker=packet.marker)
            for subscription in self._subscriptions:
                subscription.offer(frame)
        due = self._active.next_due(now)
        if due is not None:
            delay = max(0.0, due - now)
            self._timer = asyncio.get_running_loop().call_later(delay, self._schedule)

    def _choose(self, now: float) -> None:
        wanted = self._voice.line if self._voice.sounds(now) else self._delay
        if wanted is not self._active:
            wanted.follow(self._active)
            self._active = wanted

    def describe(self, now: float) -> dict[str, Any]:
        """The ``audio`` of a SESSION."""
        source = None
        if self._voice.sounds(now):
            source = "pipeline"
        elif self._heard_at is not None and now - self._heard_at < LINGER_S:
            source = "publisher"
        return {
            "codec": "opus",
            "from": source,
            "delay_ms": round(self._active.delay_s * 1000, 1) if source else None,
            "dropped": self._delay.dropped + self._voice.line.dropped,
        }

    async def aclose(self) -> None:
        """End the encoder and every subscription. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._voice.aclose()
        for subscription in tuple(self._subscriptions):
            self.unsubscribe(subscription)


class _Voice:
    """The pipeline's sound: encoded beside the loop, due when the frames that it belongs to are."""

    def __init__(
        self, pool: ThreadPoolExecutor, bitrate_bps: int, on_packets: Callable[[], None]
    ) -> None:
        self.line = AudioDelay(paced=True)
        self._pool = pool
        self._encoder = SoundEncoder(bitrate_bps)
        self._on_packets = on_packets
        self._playing: Sound | None = None
        self._ends_at: float | None = None
        self._waiting: deque[tuple[Sound, float]] = deque(maxlen=SOUNDS)
        self._next_s = 0.0
        self._n_packets = 0
        self._throttle = Throttle()
        self._task: asyncio.Task[None] | None = None

    def sounds(self, now: float) -> bool:
        return self._ends_at is not None and now < self._ends_at + LINGER_S

    def play(self, sound: Sound, at_s: float, now: float) -> None:
        """Play ``sound`` from ``at_s`` on; frames that belong to what plays already add nothing."""
        if sound is self._playing:
            return
        self._playing = sound
        self._ends_at = now + sound.duration_s - at_s
        self._waiting.append((sound.after(at_s) if at_s else sound, now))
        if self._task is None:
            self._task = asyncio.create_task(self._encode(), name="encode:opus")

    async def _encode(self) -> None:
        try:
            while self._waiting:
                await self._encode_one(*self._waiting.popleft())
        finally:
            self._task = None

    async def _encode_one(self, sound: Sound, start: float) -> None:
        self._join(start)
        loop = asyncio.get_running_loop()
        try:
            packets = await loop.run_in_executor(self._pool, self._encoder.encode, sound)
        except MediaError as error:
            self._encoder.reset()
            if self._throttle.ready(monotonic()):
                logger.warning("the pipeline's sound is left out: %s", error)
            return
        for payload in packets:
            self._push(payload)
        self._on_packets()

    def _join(self, start: float) -> None:
        """Let the next sound begin at ``start``: as the continuation of the last when it is one."""
        late = start - (self._next_s + self._encoder.waiting_s)
        if abs(late) <= SEAM_S:
            self._next_s += PULL * late
            return
        self._encoder.reset()
        self.line.restart()
        self._next_s = start

    def _push(self, payload: bytes) -> None:
        number = self._n_packets
        self._n_packets += 1
        timestamp = round(number * PACKET_S * SAMPLE_RATE_HZ)
        self.line.push(OpusPacket(payload, timestamp, self._next_s, number))
        self._next_s += PACKET_S

    async def aclose(self) -> None:
        self._waiting.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
