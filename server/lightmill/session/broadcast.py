"""One session's output: playout, one encoder per negotiated codec, packets to every viewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

from lightmill.config import MediaConfig
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.media.stills import waiting_card
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Rate, Window
from lightmill.session.lane import Lane
from lightmill.session.preview import Previews
from lightmill.session.renditions import Renditions
from lightmill.session.sound import SessionSound
from lightmill.session.tap import PacketTaker, Tap
from lightmill.session.viewer import Viewer

CARD_SIZE = (640, 360)
STILL_AFTER_S = 0.25
"""A picture this old is sent again when a viewer needs a keyframe."""


class Broadcast:
    """Owns the playout and the lanes; shows a card while there is no picture."""

    def __init__(
        self,
        config: MediaConfig,
        threads: CodecThreads,
        card: Callable[[], tuple[str, list[str]] | None],
        on_viewers: Callable[[int], None],
        previews: Previews | None = None,
        tap_bitrate_bps: int = 4_000_000,
    ) -> None:
        self.sound = SessionSound(threads, config.audio_bitrate_bps)
        self.playout = Playout(self._show)
        self.last: MediaFrame | None = None
        self.rate = Rate()
        self.frames = 0
        self.latency = {
            name: Window() for name in ("queue", "inference", "playout", "encode", "total")
        }
        self.taps: set[Tap] = set()
        self._tap_bitrate_bps = tap_bitrate_bps
        self._config = config
        self._threads = threads
        self._card = card
        self._on_viewers = on_viewers
        self._previews = previews or Previews(threads, lambda: None)
        self._codecs: dict[str, Renditions] = {}
        self._origin = monotonic()
        self._shown_at = 0.0
        self._keeper = asyncio.create_task(self._keep_alive(), name="card")

    @property
    def lanes(self) -> list[Lane]:
        return [lane for renditions in self._codecs.values() for lane in renditions.lanes]

    def describe(self, now: float) -> dict[str, Any]:
        """The ``output`` of a SESSION."""
        last, fps, lanes = self.last and self.last.frame, self.rate.value(now), self.lanes
        return {
            "width": last and last.width,
            "height": last and last.height,
            "fps": None if fps is None else round(fps, 2),
            "frames": self.frames,
            "codecs": sorted({lane.codec for lane in lanes}),
            "renditions": [lane.describe() for lane in lanes],
            "bitrate_bps": max((lane.bitrate_bps for lane in lanes), default=None),
        }

    def join(self, codec: str) -> Viewer:
        """Add a viewer that takes ``codec``."""
        return self._renditions(codec).join()

    def _renditions(self, codec: str) -> Renditions:
        if codec not in self._codecs:
            self._codecs[codec] = Renditions(
                *(codec, self._config, self._threads, self._origin, self._measure, self._count),
                self._tap_bitrate_bps,
            )
        return self._codecs[codec]

    def tap(self, taker: PacketTaker, keyframe_s: float) -> Tap:
        """Give ``taker`` the H.264 and Opus packets until the tap is closed; it counts as a viewer."""
        renditions = self._renditions("H264")

        def untap(tap: Tap) -> None:
            self.taps.discard(tap)
            self.sound.unlisten(taker.sound)
            renditions.untap(tap)
            self._tidy(renditions)

        tap = Tap(taker, keyframe_s, untap)
        self.taps.add(tap)
        self.sound.listen(taker.sound)
        renditions.tap(tap)
        self._count()
        return tap

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go; a codec without viewers gives its encoders back. Idempotent."""
        renditions = self._codecs.get(viewer.lane.codec)
        if renditions is None or viewer not in renditions.viewers:
            return
        renditions.leave(viewer)
        self._tidy(renditions)

    def _tidy(self, renditions: Renditions) -> None:
        if renditions.unused and self._codecs.pop(renditions.codec, None) is not None:
            renditions.close()
        self._count()

    def _count(self) -> None:
        everyone = (viewer for one in self._codecs.values() for viewer in one.viewers)
        self._on_viewers(sum(viewer.begun for viewer in everyone) + len(self.taps))

    def _show(self, frame: MediaFrame) -> None:
        self.last, self._shown_at = frame, monotonic()
        self.frames += 1
        self.rate.tick(self._shown_at)
        self.sound.frame_released(frame, self._shown_at)
        self._previews.offer("output", frame)
        for renditions in self._codecs.values():
            renditions.offer(frame)

    async def _keep_alive(self) -> None:
        phase = 0.0
        while True:
            await asyncio.sleep(1 / self._config.waiting_fps)
            watched = self._codecs or self._previews.wants("output")
            if not watched or monotonic() - self._shown_at < STILL_AFTER_S:
                continue
            phase += 1 / self._config.waiting_fps
            text = self._card()
            if text is not None:
                picture = await asyncio.to_thread(waiting_card, *self._card_size(), *text, phase)
                frame = MediaFrame(picture, monotonic())
            elif self.last is not None:
                # As a picture of this moment: its own times say nothing about delay any more.
                frame = MediaFrame(self.last.frame, monotonic())
            else:
                continue
            self._previews.offer("output", frame)
            for renditions in self._codecs.values():
                if text is not None or renditions.keyframe_wanted:
                    renditions.offer(frame)

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
        self.sound.frame_encoded(frame, now)

    async def aclose(self) -> None:
        """End playout, encoders and subscriptions. Idempotent."""
        self.playout.close()
        for tap in tuple(self.taps):
            tap.close()
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        codecs, self._codecs = list(self._codecs.values()), {}
        for renditions in codecs:
            renditions.close()
        self.sound.close()
