"""A publisher's video, from RTP packets to decoded frames, and its sound, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import av
from aiortc import RTCRtpReceiver

from lightmill.config import MediaConfig
from lightmill.media.assembly import AssembledFrame, FrameAssembler
from lightmill.media.congestion.bandwidth import ReceiveEstimator
from lightmill.media.decode import DECODERS, DecodeQueue
from lightmill.media.frames import MediaFrame
from lightmill.media.rtp import RtpPacket
from lightmill.media.threads import CodecThreads
from lightmill.session.aiortc_seam import RtpWire

LOSS_INTERVAL_S = 1.0
KEYFRAME_REQUEST_INTERVAL_S = 0.2
"""Requests get lost too; senders join those that come too often."""
SWITCH_AFTER_S = 0.5
"""Another SSRC is heard once the present one has been silent for so long, another codec once the
present one has been heard for so long: two that alternate, or a late retransmission of an old
one, would start the stream anew with each packet."""


class VideoReceiver:
    """Assembles, decodes and feeds on one receiver's stream; packets come from the wire.

    A stream that changes its SSRC or its codec starts anew with a keyframe. All methods belong
    to the loop's thread; nothing here is a task, a timer wakes what waits for lost packets.
    """

    def __init__(
        self,
        wire: RtpWire,
        receiver: RTCRtpReceiver,
        config: MediaConfig,
        threads: CodecThreads,
        feed: Callable[[MediaFrame], None],
        on_report: Callable[[int, int], None],
    ) -> None:
        self._config = config
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._decoding = DecodeQueue(
            threads, config.max_picture_pixels, self._decoded, self._trouble
        )
        self._assembler: FrameAssembler | None = None
        self._stream: tuple[int, str] | None = None
        self._heard_at = self._started_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._estimator = ReceiveEstimator(config)
        self._counted: tuple[float, int, int] = (0.0, 0, 0)
        self._port = wire.receive(receiver, self)
        self._port.on_sender_report = lambda _, ntp, timestamp: on_report(ntp, timestamp)

    def receive(self, packet: RtpPacket, codec: str, now: float) -> None:
        """Take one packet; what it completes goes to the decoder at once."""
        if codec not in DECODERS:
            return
        assembler, stream = self._assembler, self._stream
        if assembler is None or stream is None:
            assembler = self._start(packet.ssrc, codec, now)
        elif stream != (packet.ssrc, codec):
            since = self._heard_at if packet.ssrc != stream[0] else self._started_at
            if now - since < SWITCH_AFTER_S:
                return
            assembler = self._start(packet.ssrc, codec, now)
        self._heard_at = now
        if packet.abs_send_time is not None or not packet.repeated:
            size_bytes = len(packet.payload)
            self._estimator.on_packet(now, size_bytes, packet.timestamp, packet.abs_send_time)
        frames = assembler.add(packet, now)
        if frames:
            self._hand_on(frames)
            self._estimate(packet.ssrc, now)
            if (rtt_s := self._port.rtt_s) is not None:
                assembler.rtt_s = rtt_s
        self._attend(assembler, now)

    def _estimate(self, ssrc: int, now: float) -> None:
        """Tell the sender what its network takes (REMB), when that is due."""
        since, expected, received = self._counted
        if now - since >= LOSS_INTERVAL_S:
            totals = self._port.counts(ssrc)
            self._counted = (now, *totals)
            due = totals[0] - expected
            if since and due > 0:
                self._estimator.on_loss(max(0.0, 1 - (totals[1] - received) / due), now)
        estimate_bps = self._estimator.remb(now)
        if estimate_bps is not None:
            self._port.send_remb(ssrc, estimate_bps)

    def _start(self, ssrc: int, codec: str, now: float) -> FrameAssembler:
        self._stream, self._started_at = (ssrc, codec), now
        self._counted = (0.0, 0, 0)
        self._assembler = FrameAssembler(
            codec,
            max_wait_s=self._config.max_loss_wait_s,
            keyframe_request_interval_s=KEYFRAME_REQUEST_INTERVAL_S,
        )
        return self._assembler

    def _hand_on(self, frames: list[AssembledFrame]) -> None:
        if self._stream is not None:
            for frame in frames:
                self._decoding.put(self._stream[1], frame)

    def _attend(self, assembler: FrameAssembler, now: float) -> None:
        """Send the feedback that is due, and set the timer for the next."""
        if self._stream is None:
            return
        ssrc = self._stream[0]
        if lost := assembler.take_nacks(now):
            self._port.send_nack(ssrc, lost)
        if assembler.take_keyframe_request(now):
            self._port.send_pli(ssrc)
        due = assembler.due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - now), self._expire)

    def _expire(self) -> None:
        self._timer = None
        assembler, now = self._assembler, monotonic()
        if assembler is not None:
            self._hand_on(assembler.poll(now))
            self._attend(assembler, now)

    def _decoded(self, picture: av.VideoFrame, frame: AssembledFrame) -> None:
        self._feed(MediaFrame(picture, frame.arrival, rtp_timestamp=frame.timestamp))

    def _trouble(self) -> None:
        assembler, now = self._assembler, monotonic()
        if assembler is not None:
            assembler.need_keyframe(now)
            self._attend(assembler, now)

    def close(self) -> None:
        """Stop timers and decoding. Idempotent."""
        self._assembler = self._stream = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._decoding.close()


class OpusReceiver:
    """Hands a receiver's Opus packets on, undecoded, and the clocks of its sender reports."""

    def __init__(
        self,
        wire: RtpWire,
        receiver: RTCRtpReceiver,
        hear: Callable[[RtpPacket, float], None],
        on_report: Callable[[int, int], None],
    ) -> None:
        self._hear = hear
        port = wire.receive(receiver, self)
        port.on_sender_report = lambda _, ntp, timestamp: on_report(ntp, timestamp)

    def receive(self, packet: RtpPacket, codec: str, now: float) -> None:
        if codec == "OPUS":
            self._hear(packet, now)
