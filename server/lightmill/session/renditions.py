"""One codec's lanes: the main one, and a smaller one for viewers whose network is far behind."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from lightmill.config import MediaConfig
from lightmill.media.congestion.allocation import Allocation, Division
from lightmill.media.congestion.canvas import Canvas
from lightmill.media.congestion.serving import MainServes
from lightmill.media.frames import MediaFrame
from lightmill.media.threads import CodecThreads
from lightmill.session.lane import Lane
from lightmill.session.tap import Tap
from lightmill.session.viewer import Viewer

STEER_INTERVAL_S = 0.1
UNPACED_BPS = 1e12
"""A file takes what comes: no frame is left out."""


class Renditions:
    """Divides a codec's viewers by what their networks take, and tells each lane its rate.

    The low lane is made when `Allocation` puts somebody there and closed when nobody is left.
    Taps follow the main lane. When its pictures are smaller than the `Canvas` or fewer, they get a lane
    of their own, ``apart``, with whole pictures at ``tap_bitrate_bps``.
    ``origin`` is shared by all lanes, so that a viewer's timestamps go on when it moves.
    """

    def __init__(
        self,
        codec: str,
        config: MediaConfig,
        threads: CodecThreads,
        origin: float,
        on_encoded: Callable[[MediaFrame], None],
        on_viewers: Callable[[], None],
        tap_bitrate_bps: int = 4_000_000,
    ) -> None:
        self.codec = codec
        self.viewers: set[Viewer] = set()
        self.taps: set[Tap] = set()
        self._config = config
        self._threads = threads
        self._origin = origin
        self._on_encoded = on_encoded
        self._on_viewers = on_viewers
        self.main = self._make_lane()
        self.low: Lane | None = None
        self.apart: Lane | None = None
        self._tap_bps = tap_bitrate_bps
        self._main_serves = MainServes()
        self._canvas = Canvas()
        self._starved = False
        self._allocation: Allocation[Viewer] = Allocation(
            config.min_bitrate_bps, config.start_bitrate_bps
        )
        self._steered_at = float("-inf")

    def _make_lane(self, *, half: bool = False, whole: bool = False) -> Lane:
        on_encoded = None if half or whole else self._on_encoded  # latency is told of the main one
        config = self._config
        if whole:
            # A limit for networks is none for files.
            limit_bps = max(config.max_bitrate_bps, self._tap_bps)
            config = config.model_copy(update={"max_bitrate_bps": limit_bps})
        return Lane(
            *(self.codec, config, self._threads, self._origin, on_encoded), half=half, whole=whole
        )

    @property
    def lanes(self) -> list[Lane]:
        return [lane for lane in (self.main, self.low, self.apart) if lane is not None]

    @property
    def unused(self) -> bool:
        return not self.viewers and not self.taps

    @property
    def keyframe_wanted(self) -> bool:
        return any(lane.gate.requested for lane in self.lanes)

    def join(self) -> Viewer:
        """Add a viewer; it starts near the others' rate, so that it does not pull them down."""
        start_bps = self._config.start_bitrate_bps
        if any(other.begun for other in self.viewers):
            start_bps = max(start_bps, min(2 * start_bps, self.main.bitrate_bps))
        viewer = Viewer(self.main, self._config, start_bps, self._on_viewers)
        self.viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        viewer.close()
        self._steer(monotonic())

    def tap(self, tap: Tap) -> None:
        """Let ``tap`` follow the lane that serves it."""
        self.taps.add(tap)
        self._steer(monotonic())

    def untap(self, tap: Tap) -> None:
        """Let a closed tap go."""
        self.taps.discard(tap)
        self._steer(monotonic())

    def offer(self, frame: MediaFrame) -> None:
        """Encode this frame next, in every lane that somebody watches."""
        now = monotonic()
        if now - self._steered_at >= STEER_INTERVAL_S:
            self._steer(now)
        elif self.main.shrunk and self.taps and self.apart is None:
            self._serve_taps(now)
        if self.taps and frame.released is not None:
            self._fit_canvas(frame)
        for lane in self.lanes:
            lane.offer(frame)

    def _fit_canvas(self, frame: MediaFrame) -> None:
        canvas = self._canvas.update(frame.frame.width, frame.frame.height)
        self.main.canvas = canvas
        if self.apart is not None:
            self.apart.canvas = canvas

    def _steer(self, now: float) -> None:
        self._steered_at = now
        targets = {one: one.rate.target_bps(now) for one in self.viewers if one.begun}
        division = self._allocation.divide(targets, now)
        self._place(division)
        if self.taps and not targets:
            self._starved = False
            self.main.steer(self._tap_bps, UNPACED_BPS, draining=False)
        else:
            self._tell(self.main, division.main_bps, now)
        if self.low is not None and division.low_bps is not None:
            self._tell(self.low, division.low_bps, now)
        self._serve_taps(now)

    def _serve_taps(self, now: float) -> None:
        """Choose between the main lane and one apart, which exists while taps need it."""
        if not self.taps:
            self._main_serves, self._canvas = MainServes(), Canvas()
            self.main.canvas = None
            self._close_apart()
            return
        watched = any(viewer.begun for viewer in self.viewers)
        limited = self._config.max_bitrate_bps < self._tap_bps
        serves = self._main_serves.update(
            shrunk=self.main.shrunk or limited, starved=self._starved, watched=watched, now=now
        )
        if not serves and self.apart is None:
            self.apart = self._make_lane(whole=True)
            self.apart.canvas = self._canvas.size
            self.apart.steer(self._tap_bps, UNPACED_BPS, draining=False)
        lane = self.main if serves or self.apart is None else self.apart
        for tap in self.taps:
            tap.follow(lane)
        if serves and all(tap.lane is not self.apart for tap in self.taps):
            self._close_apart()

    def _close_apart(self) -> None:
        if self.apart is not None:
            self.apart.close()
            self.apart = None

    def _place(self, division: Division[Viewer]) -> None:
        """Move viewers to where they belong, and make or close the low lane."""
        if division.low_viewers and self.low is None:
            self.low = self._make_lane(half=True)
        for viewer in self.viewers:
            lane = self.low if viewer in division.low_viewers and self.low else self.main
            if viewer.lane is not lane:
                viewer.move(lane)
        if not division.low_viewers and self.low is not None:
            self.low.close()
            self.low = None

    def _tell(self, lane: Lane, target_bps: int, now: float) -> None:
        """The healthiest viewer's pace counts; one that may get nothing waits for a keyframe."""
        viewers = [one for one in self.viewers if one.begun and one.lane is lane]
        paces = [one.rate.pace_bps(now) for one in viewers]
        pace = min(max(paces, default=target_bps), target_bps)
        for viewer, own in zip(viewers, paces, strict=True):
            if own == 0:
                if pace > 0:
                    viewer.hold()
            elif viewer.held:
                viewer.keyframe_wanted()
        draining = bool(viewers) and all(one.rate.draining(now) for one in viewers)
        lane.steer(target_bps, pace, draining=draining)
        if lane is self.main:
            self._starved = pace < target_bps

    def close(self) -> None:
        """End every subscription and encoder. Idempotent."""
        for lane in self.lanes:
            lane.close()
