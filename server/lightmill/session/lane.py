"""One encoder and the viewers of its packets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import av

from lightmill.config import MediaConfig
from lightmill.media.congestion.budget import FrameBudget
from lightmill.media.congestion.ladder import Ladder, Rung, half_of
from lightmill.media.encode import VideoEncoder
from lightmill.media.fanout import KeyframeGate, PacketFanout
from lightmill.media.frames import EncodedPicture, MediaFrame, OutgoingFrame
from lightmill.media.payload import Packetiser
from lightmill.media.scale import Scaler
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

PACE_SHARE = 0.5
"""Share of the time between frames in which a large frame leaves."""
MAX_PACE_S = 0.05
RTP_CLOCK = 90_000
DRAINING_KEYFRAME_S = 1.5
"""While a queue drains, a keyframe takes longer than a viewer's patience: make fewer."""
SMOOTHING = 0.1
"""Weight of the newest frame in the measured interval and encoding time."""
PAUSE_S = 1.0


class Lane:
    """Encodes the newest frame and hands its packets, packetised once, to every viewer.

    While a frame is being encoded one more may wait; a newer one replaces it. `steer` sets the
    rate; the picture's size and the share of frames that are encoded follow from it. ``half``
    lanes start from half the width and height, ``whole`` ones encode every frame at the size of
    ``canvas``, whatever the rate. ``origin`` is the second of the monotonic clock
    that RTP time 0 stands for. All methods belong to the loop's thread.
    """

    def __init__(
        self,
        codec: str,
        config: MediaConfig,
        threads: CodecThreads,
        origin: float,
        on_encoded: Callable[[MediaFrame], None] | None,
        *,
        half: bool = False,
        whole: bool = False,
    ) -> None:
        self.codec = codec
        self.gate = KeyframeGate(config.keyframe_interval_min_s)
        self.fanout = PacketFanout(self.gate.request, config.viewer_queue_frames)
        self.replaced = 0
        """Frames that a newer one replaced before they were encoded."""
        self.keyframe_at = float("-inf")
        """Second of the monotonic clock at which the newest keyframe left."""
        self.size: tuple[int, int] | None = None
        """Width and height that are encoded."""
        self.canvas: tuple[int, int] | None = None
        """The size that taps want; ``None``: that of each picture."""
        self.shrunk = False
        """Whether the newest picture has another size, or frames were left out for its rate."""
        self._config = config
        self._encoder = VideoEncoder(
            codec,
            config.start_bitrate_bps,
            config.max_bitrate_bps,
            h264_encoder=config.h264_encoder,
            h264_preset=config.h264_preset,
        )
        self._packetiser = Packetiser(codec)
        self._scaler = Scaler()
        self._ladder = Ladder()
        self._budget = FrameBudget()
        self._target_bps = config.start_bitrate_bps
        self._pace_bps = float(config.start_bitrate_bps)
        self._half = half
        self._whole = whole
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._origin = origin
        self._on_encoded = on_encoded
        self._waiting: MediaFrame | None = None
        self._busy = False
        self._closed = False
        self._last_pts = -1
        self._n_offered = 0
        self._offered_at: float | None = None
        self._interval_s = 1 / 30
        self._encode_s = 0.0
        self._throttle = Throttle()

    @property
    def bitrate_bps(self) -> int:
        return self._target_bps

    def describe(self) -> dict[str, Any]:
        """One of the renditions in the SESSION of ``docs/protocol.md``."""
        width, height = self.size or (None, None)
        return {
            "codec": self.codec,
            "encoder": self._encoder.implementation,
            "width": width,
            "height": height,
            "bitrate_bps": self.bitrate_bps,
            "viewers": self.fanout.n_viewers,
        }

    def steer(self, target_bps: int, pace_bps: float, *, draining: bool) -> None:
        """Choose the picture for ``target_bps``; encode no more than ``pace_bps`` lets through."""
        self._target_bps = target_bps
        # With larger frames than the pace has room for, the budget would skip more and more.
        self._encoder.bitrate_bps = round(min(target_bps, pace_bps)) or target_bps
        self._pace_bps = pace_bps
        least = self._config.keyframe_interval_min_s
        self.gate.min_interval_s = max(least, DRAINING_KEYFRAME_S) if draining else least

    def offer(self, frame: MediaFrame) -> None:
        """Encode this frame next; one that still waits is replaced. Unseen, nothing is encoded."""
        if not len(self.fanout):
            return
        now = monotonic()
        if self._offered_at is not None and now - self._offered_at < PAUSE_S:
            self._interval_s += SMOOTHING * (now - self._offered_at - self._interval_s)
        self._offered_at = now
        self._n_offered += 1
        self.replaced += self._waiting is not None
        self._waiting = frame
        self._next()

    def _next(self) -> None:
        frame = self._waiting
        if frame is None or self._busy or self._closed:
            return
        self._waiting = None
        now = monotonic()
        rung = self._rung(frame.frame, now)
        if self._n_offered % rung.frame_divisor or not self._budget.admit(self._pace_bps, now):
            return
        self._busy = True
        at = now if frame.released is None else frame.released
        pts = max(self._last_pts + 1, round((at - self._origin) * RTP_CLOCK))
        self._last_pts = pts
        whole = (rung.width, rung.height) == self._wanted(frame.frame)
        self._threads.submit(partial(self._work, frame, rung, whole, self.gate.take(now), pts))

    def _rung(self, picture: av.VideoFrame, now: float) -> Rung:
        width, height = picture.width, picture.height
        if self._half:
            width, height = half_of(width, height)
        if self._whole:
            rung = Rung(*self._wanted(picture))
        else:
            load, fps = self._encode_s / self._interval_s, 1 / self._interval_s
            rung = self._ladder.update(self._target_bps, width, height, fps, now, load)
        self.size = (rung.width, rung.height)
        self.shrunk = rung != Rung(*self._wanted(picture))
        return rung

    def _wanted(self, picture: av.VideoFrame) -> tuple[int, int]:
        return self.canvas or (picture.width & ~1, picture.height & ~1)

    def _work(self, frame: MediaFrame, rung: Rung, whole: bool, keyframe: bool, pts: int) -> None:
        """In a codec thread: scale, encode and packetise, then back to the loop."""
        started = monotonic()
        result: list[OutgoingFrame] | Exception
        try:
            result = self._encode(frame, rung, whole, keyframe, pts)
        except Exception as error:  # a codec's failure stays this lane's
            result = error
        if not self._loop.is_closed():
            spent_s = monotonic() - started
            self._loop.call_soon_threadsafe(self._done, frame, result, spent_s)

    def _encode(
        self, frame: MediaFrame, rung: Rung, whole: bool, keyframe: bool, pts: int
    ) -> list[OutgoingFrame]:
        picture = frame.frame
        size = (rung.width, rung.height)
        still = frame.released is None
        if size != (picture.width & ~1, picture.height & ~1):
            picture = self._scaler.scale(picture, *size)
        pace_s = min(MAX_PACE_S, PACE_SHARE * self._interval_s)
        return [
            OutgoingFrame(
                self._packetiser.pack(packet.data),
                packet.pts_90k,
                self._origin + packet.pts_90k / RTP_CLOCK,
                packet.keyframe,
                pace_s,
                picture=EncodedPicture(packet.data, *size, whole, still),
            )
            for packet in self._encoder.encode(picture, keyframe=keyframe, pts_90k=pts)
        ]

    def _done(
        self, frame: MediaFrame, result: list[OutgoingFrame] | Exception, spent_s: float
    ) -> None:
        self._busy = False
        if self._closed:
            self._encoder.close()
            return
        self._encode_s += SMOOTHING * (spent_s - self._encode_s)
        if isinstance(result, Exception):
            if self._throttle.ready(monotonic()):
                logger.error("%s encoder failed; it starts anew", self.codec, exc_info=result)
            self._encoder.close()
            self.gate.request()
        else:
            for packed in result:
                self._publish(packed)
            if self._on_encoded is not None:
                self._on_encoded(frame)
        self._next()

    def _publish(self, packed: OutgoingFrame) -> None:
        if packed.keyframe:
            self.keyframe_at = monotonic()
            self.gate.sent()
        self._budget.spend(sum(map(len, packed.payloads)))
        self.fanout.publish(packed)

    def close(self) -> None:
        """End the subscriptions and give the encoder back. Idempotent."""
        self._closed = True
        self._waiting = None
        self.fanout.close()
        if not self._busy:
            self._encoder.close()
