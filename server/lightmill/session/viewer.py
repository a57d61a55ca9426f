"""One viewer: its place in a broadcast, and what its network is judged to take."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from lightmill.config import MediaConfig
from lightmill.errors import Closed
from lightmill.media.congestion.rates import ViewerRate
from lightmill.media.fanout import Subscription
from lightmill.media.frames import OutgoingFrame
from lightmill.session.lane import Lane


class Viewer:
    """The source of one sender's frames, and the ear for what its viewer says.

    It takes part from its first `recv` on, that is, when it is connected: what it sees first is
    a keyframe made for it, and nothing was computed or kept for it before. `move` puts it on
    another lane, where it goes on with the next keyframe.
    """

    def __init__(
        self, lane: Lane, config: MediaConfig, start_bps: int, on_begin: Callable[[], None]
    ) -> None:
        self.lane = lane
        self.begun = False
        self.rate = ViewerRate(config, monotonic(), start_bps)
        self._on_begin = on_begin
        self._subscription: Subscription | None = None
        self._closed = False

    async def recv(self) -> OutgoingFrame:
        """The next frame, a keyframe first.

        Raises:
            Closed: the viewer has left or the broadcast has ended.

        """
        if not self.begun:
            if self._closed:
                raise Closed("the viewer has left")
            self.begun = True
            self.move(self.lane)
            self._on_begin()
        while True:
            subscription = self._subscription
            if subscription is None:
                raise Closed("the viewer has left")
            try:
                return await subscription.recv()
            except Closed:
                if subscription is self._subscription:
                    raise

    def move(self, lane: Lane) -> None:
        """Take the frames of ``lane`` from now on."""
        old, self.lane = self._subscription, lane
        if self.begun:
            self._subscription = lane.fanout.subscribe()
            if old is not None:
                old.close()

    @property
    def held(self) -> bool:
        """Whether it waits for a keyframe before it gets anything."""
        return self._subscription is not None and self._subscription.waiting_for_keyframe

    def hold(self) -> None:
        """Send nothing until the next keyframe."""
        if self._subscription is not None:
            self._subscription.hold()

    def keyframe_wanted(self) -> None:
        """Ask for a keyframe, unless one is on its way that the viewer cannot have seen yet."""
        now = monotonic()
        if now - self.lane.keyframe_at > self.rate.answer_s(now):
            self.lane.gate.request()

    def sent(self, sequence_number: int, size_bytes: int) -> None:
        self.rate.on_sent(sequence_number, size_bytes, monotonic())

    def may_repeat(self, sequence_number: int, size_bytes: int) -> bool:
        return self.rate.may_repeat(sequence_number, size_bytes, monotonic())

    def estimate(self, bitrate_bps: int) -> None:
        self.rate.on_remb(bitrate_bps, monotonic())

    def report(self, fraction_lost: float, rtt_s: float | None, highest_sequence: int) -> None:
        self.rate.on_report(fraction_lost, rtt_s, monotonic(), highest_sequence)

    def close(self) -> None:
        """Leave. Idempotent."""
        self._closed = True
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
