"""One session's sound: the publisher's Opus, or the pipeline's own, in step with the picture."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from lightmill.errors import Closed
from lightmill.media.audio import (
    LATENCY_FRAMES,
    LATENCY_WINDOW_S,
    AudioDelay,
    OpusPacket,
    RunningMedian,
)
from lightmill.media.frames import MediaFrame, OutgoingFrame
from lightmill.media.lipsync import LipSync
from lightmill.media.rtp import RtpPacket
from lightmill.media.threads import CodecThreads
from lightmill.session.voice import LINGER_S, PipelineVoice

VIEWER_PACKETS = 50
"""Packets that wait for a slow viewer: a second. Then the oldest goes."""
SKEW_PACKETS = 25
"""The publisher's own skew is looked at every half second."""


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

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None: ...

    def sent(self, sequence_number: int, size_bytes: int) -> None: ...

    def may_repeat(self, sequence_number: int, size_bytes: int) -> bool:
        """Too late for sound, whose player conceals a loss."""
        return False

    def close(self) -> None:
        """End `recv`; closing again does nothing."""
        self._closed = True
        self._queue.clear()
        self._arrived.set()


class SessionSound:
    """Owned and closed by the session; everything but the encoding happens on the event loop.

    The publisher's packets pass unless the pipeline makes sound itself.
    """

    def __init__(self, threads: CodecThreads, bitrate_bps: int) -> None:
        self.lipsync = LipSync()
        self._delay = AudioDelay()
        self._voice = PipelineVoice(threads, bitrate_bps, self._schedule)
        self._active = self._delay
        # Pictures stand for the time of their release, and leave when they are encoded.
        self._encoding = RunningMedian(LATENCY_WINDOW_S, *LATENCY_FRAMES)
        self._ssrc: int | None = None
        self._heard_at: float | None = None
        self._subscriptions: set[SoundSubscription] = set()
        self._listeners: set[Callable[[OutgoingFrame], None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self) -> SoundSubscription:
        subscription = SoundSubscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: SoundSubscription) -> None:
        subscription.close()
        self._subscriptions.discard(subscription)

    def listen(self, take: Callable[[OutgoingFrame], None]) -> None:
        """Call ``take`` with every packet; it must be quick and never raise."""
        self._listeners.add(take)

    def unlisten(self, take: Callable[[OutgoingFrame], None]) -> None:
        """Call it no more. Idempotent."""
        self._listeners.discard(take)

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
        if frame.sound is not None and (self._subscriptions or self._listeners):
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
            for take in self._listeners:
                take(frame)
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

    def close(self) -> None:
        """End the encoder and every subscription. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._voice.close()
        for subscription in tuple(self._subscriptions):
            self.unsubscribe(subscription)
