"""One codec's lanes: the main one, and a smaller one for viewers whose network is far behind."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from lightmill.config import MediaConfig
from lightmill.media.congestion.allocation import Allocation, Division
from lightmill.media.frames import MediaFrame
from lightmill.media.threads import CodecThreads
from lightmill.session.lane import Lane
from lightmill.session.viewer import Viewer

STEER_INTERVAL_S = 0.1


class Renditions:
    """Divides a codec's viewers by what their networks take, and tells each lane its rate.

    The low lane is made when `Allocation` puts somebody there and closed when nobody is left.
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
    ) -> None:
        self.codec = codec
        self.viewers: set[Viewer] = set()
        self._config = config
        self._threads = threads
        self._origin = origin
        self._on_encoded = on_encoded
        self._on_viewers = on_viewers
        self.main = self._make_lane(half=False)
        self.low: Lane | None = None
        self._allocation: Allocation[Viewer] = Allocation(
            config.min_bitrate_bps, config.start_bitrate_bps
        )
        self._steered_at = float("-inf")

    def _make_lane(self, *, half: bool) -> Lane:
        on_encoded = None if half else self._on_encoded  # latency is told of the main one
        return Lane(self.codec, self._config, self._threads, self._origin, on_encoded, half=half)

    @property
    def lanes(self) -> list[Lane]:
        return [self.main] if self.low is None else [self.main, self.low]

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

    def offer(self, frame: MediaFrame) -> None:
        """Encode this frame next, in every lane that somebody watches."""
        now = monotonic()
        if now - self._steered_at >= STEER_INTERVAL_S:
            self._steer(now)
        for lane in self.lanes:
            lane.offer(frame)

    def _steer(self, now: float) -> None:
        self._steered_at = now
        targets = {one: one.rate.target_bps(now) for one in self.viewers if one.begun}
        division = self._allocation.divide(targets, now)
        self._place(division)
        self._tell(self.main, division.main_bps, now)
        if self.low is not None and division.low_bps is not None:
            self._tell(self.low, division.low_bps, now)

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

    def close(self) -> None:
        """End every subscription and encoder. Idempotent."""
        for lane in self.lanes:
            lane.close()
