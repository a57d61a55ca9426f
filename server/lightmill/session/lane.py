"""One encoder and the viewers of its packets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic

import av

from lightmill.config import MediaConfig
from lightmill.media.encode import VideoEncoder
from lightmill.media.fanout import KeyframeGate, PacketFanout
from lightmill.media.frames import MediaFrame, OutgoingFrame
from lightmill.media.payload import Packetiser
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

PACE_SHARE = 0.5
"""Share of the time between frames in which a large frame leaves."""
MAX_PACE_S = 0.05
RTP_CLOCK = 90_000


class Lane:
    """Encodes the newest frame and hands its packets, packetised once, to every viewer.

    While a frame is being encoded one more may wait; a newer one replaces it. ``origin`` is the
    second of the monotonic clock that RTP time 0 stands for: lanes that share it can be swapped
    under a viewer. All methods belong to the loop's thread.
    """

    def __init__(
        self,
        codec: str,
        config: MediaConfig,
        threads: CodecThreads,
        origin: float,
        on_encoded: Callable[[MediaFrame], None],
    ) -> None:
        self.codec = codec
        self.gate = KeyframeGate(config.keyframe_interval_min_s)
        self.fanout = PacketFanout(self.gate.request, config.viewer_queue_frames)
        self.size_bytes = 0
        self.replaced = 0
        """Frames that a newer one replaced before they were encoded."""
        self._encoder = VideoEncoder(codec, config.start_bitrate_bps, config.max_bitrate_bps)
        self._packetiser = Packetiser(codec)
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._origin = origin
        self._on_encoded = on_encoded
        self._waiting: MediaFrame | None = None
        self._busy = False
        self._closed = False
        self._last_pts = -1
        self._offered_at: float | None = None
        self._interval_s = 1 / 30
        self._throttle = Throttle()

    @property
    def bitrate_bps(self) -> int:
        return self._encoder.bitrate_bps

    @bitrate_bps.setter
    def bitrate_bps(self, value: int) -> None:
        self._encoder.bitrate_bps = value

    def offer(self, frame: MediaFrame) -> None:
        """Encode this frame next; one that still waits is replaced. Unseen, nothing is encoded."""
        if not len(self.fanout):
            return
        now = monotonic()
        if self._offered_at is not None:
            self._interval_s += 0.1 * (min(now - self._offered_at, 1.0) - self._interval_s)
        self._offered_at = now
        self.replaced += self._waiting is not None
        self._waiting = frame
        self._next()

    def _next(self) -> None:
        frame = self._waiting
        if frame is None or self._busy or self._closed:
            return
        self._waiting = None
        self._busy = True
        now = monotonic()
        at = now if frame.released is None else frame.released
        pts = max(self._last_pts + 1, round((at - self._origin) * RTP_CLOCK))
        self._last_pts = pts
        self._threads.submit(partial(self._work, frame, self.gate.take(now), pts))

    def _work(self, frame: MediaFrame, keyframe: bool, pts: int) -> None:
        """In a codec thread: encode and packetise, then back to the loop."""
        result: list[OutgoingFrame] | Exception
        try:
            result = self._encode(frame.frame, keyframe, pts)
        except Exception as error:  # a codec's failure stays this lane's
            result = error
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, frame, result)

    def _encode(self, picture: av.VideoFrame, keyframe: bool, pts: int) -> list[OutgoingFrame]:
        pace_s = min(MAX_PACE_S, PACE_SHARE * self._interval_s)
        return [
            OutgoingFrame(
                self._packetiser.pack(packet.data),
                packet.pts_90k,
                self._origin + packet.pts_90k / RTP_CLOCK,
                packet.keyframe,
                pace_s,
            )
            for packet in self._encoder.encode(picture, keyframe=keyframe, pts_90k=pts)
        ]

    def _done(self, frame: MediaFrame, result: list[OutgoingFrame] | Exception) -> None:
        self._busy = False
        if self._closed:
            self._encoder.close()
            return
        if isinstance(result, Exception):
            if self._throttle.ready(monotonic()):
                logger.error("%s encoder failed; it starts anew", self.codec, exc_info=result)
            self._encoder.close()
            self.gate.request()
        else:
            for packed in result:
                self._publish(packed)
            self._on_encoded(frame)
        self._next()

    def _publish(self, packed: OutgoingFrame) -> None:
        if packed.keyframe:
            self.gate.sent()
        self.size_bytes += sum(map(len, packed.payloads))
        self.fanout.publish(packed)

    def close(self) -> None:
        """End the subscriptions and give the encoder back. Idempotent."""
        self._closed = True
        self._waiting = None
        self.fanout.close()
        if not self._busy:
            self._encoder.close()
