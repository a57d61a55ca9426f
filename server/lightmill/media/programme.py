"""A session's packets on one clock that begins with the first picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lightmill.media.frames import OutgoingFrame
from lightmill.media.sound_grid import PlacedSound, SoundGrid

VIDEO_RATE_HZ = 90_000


class PacketWriter(Protocol):
    """What `Muxer` does."""

    def picture(self, data: bytes, pts: int, *, keyframe: bool) -> None: ...

    def sound(self, payload: bytes, pts: int, ticks: int) -> None: ...

    def close(self) -> None: ...


class Programme:
    """Gives pictures and sound their places in one container of one picture size.

    ``open_writer`` gets the first keyframe and may block; so may everything else here, and raise
    what the writer raises.
    """

    def __init__(self, first: OutgoingFrame, open_writer: Callable[[bytes], PacketWriter]) -> None:
        """Begin with the keyframe ``first``, which is still to be given to `picture`."""
        assert first.picture is not None
        self.size = (first.picture.width, first.picture.height)
        self.duration_s = 0.0
        self._began_at = first.at
        self._last_pts = -1
        self._grid = SoundGrid(first.at)
        self._writer = open_writer(first.picture.data)

    def picture(self, frame: OutgoingFrame) -> None:
        """Write one picture of this size."""
        assert frame.picture is not None
        for placed in self._grid.picture(frame.at):
            self._place(placed)
        pts = max(self._last_pts + 1, round((frame.at - self._began_at) * VIDEO_RATE_HZ))
        self._last_pts = pts
        self._writer.picture(frame.picture.data, pts, keyframe=frame.keyframe)
        self.duration_s = pts / VIDEO_RATE_HZ

    def sound(self, packet: OutgoingFrame) -> None:
        """Write one Opus packet."""
        for placed in self._grid.push(packet.payloads[0], packet.timestamp, packet.at):
            self._place(placed)

    def _place(self, placed: PlacedSound) -> None:
        self._writer.sound(placed.payload, placed.pts, placed.ticks)

    def close(self) -> None:
        """End the container."""
        self._writer.close()
