"""What takes a session's packets without being a peer: a recording, a sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lightmill.media.frames import OutgoingFrame
from lightmill.session.lane import Lane


class PacketTaker(Protocol):
    """Gets packets in the loop's thread; must not wait and must not raise."""

    def picture(self, frame: OutgoingFrame) -> bool:
        """Take one H.264 picture; ``False``: it did not fit, go on with a keyframe."""
        ...

    def sound(self, packet: OutgoingFrame) -> None:
        """Take one Opus packet."""
        ...


class Tap:
    """Follows one lane, asks it for a keyframe each ``keyframe_s`` and hands on whole pictures.

    `follow` changes lanes without a gap: the old one goes on until the new one's first keyframe.
    After a picture that was not taken, or that a lane made smaller, the next is a keyframe. A taker
    that stays full gets one each ``keyframe_s`` too: viewers of the lane pay for every one.
    """

    def __init__(
        self, taker: PacketTaker, keyframe_s: float, on_close: Callable[[Tap], None]
    ) -> None:
        self.taker = taker
        self._keyframe_s = keyframe_s
        self._on_close = on_close
        self._keyframe_at = 0.0
        self._mended_at = float("-inf")
        self._broken = True
        self._takes: dict[Lane, Callable[[OutgoingFrame], None]] = {}
        self._lane: Lane | None = None
        self._closed = False

    @property
    def lane(self) -> Lane | None:
        """The lane whose packets it takes now."""
        return self._lane

    def follow(self, lane: Lane) -> None:
        """Take ``lane``'s packets from its next keyframe on."""
        if self._closed:
            return
        for other in [one for one in self._takes if one is not self._lane and one is not lane]:
            self._forget(other)
        if lane not in self._takes:
            self._takes[lane] = lambda frame: self._take(lane, frame)
            lane.fanout.listen(self._takes[lane])

    def _take(self, lane: Lane, frame: OutgoingFrame) -> None:
        picture = frame.picture
        if picture is None or self._closed:
            return
        if lane is not self._lane:
            if not frame.keyframe or not picture.whole:
                return
            old, self._lane = self._lane, lane
            if old is not None:
                self._forget(old)
        if not picture.whole:
            # A keyframe would be small too; a lane that grows again begins with one.
            self._broken = True
            return
        if self._broken and not frame.keyframe:
            self._mend(lane, frame.at)
            return
        if frame.keyframe:
            self._keyframe_at = frame.at
        elif frame.at - self._keyframe_at >= self._keyframe_s:
            lane.gate.request()
        self._broken = False
        if not self.taker.picture(frame):
            self._mend(lane, frame.at)

    def _mend(self, lane: Lane, at: float) -> None:
        self._broken = True
        if at - self._mended_at >= self._keyframe_s:
            self._mended_at = at
            lane.gate.request()

    def _forget(self, lane: Lane) -> None:
        lane.fanout.unlisten(self._takes.pop(lane))

    def close(self) -> None:
        """Take nothing more. Idempotent."""
        if not self._closed:
            self._closed = True
            for lane in tuple(self._takes):
                self._forget(lane)
            self._on_close(self)
