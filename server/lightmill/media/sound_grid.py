"""Opus packets laid end to end: a file's sound track has no holes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lightmill.media.audio import PACKET_TICKS, SAMPLE_RATE_HZ
from lightmill.media.rtp import timestamp_after

SILENCE = b"\xfc\xff\xfe"
"""20 ms of stereo silence (RFC 6716 section 3: CELT, one frame, nothing coded)."""
TOLERANCE_TICKS = SAMPLE_RATE_HZ * 15 // 1000
"""A packet this far from its place moves; farther, silence is filled in or it is left out."""
JUMP_S = 0.1
"""A timeline that is wrong by more is put right at once."""
PULL = 0.002
"""Share of a smaller difference that each packet corrects: two clocks differ by a little, always."""
LATE_S = 1.0
"""Sound that has not come so long after its picture is taken for silence."""
LONGEST_TICKS = SAMPLE_RATE_HZ * 120 // 1000
"""No packet sounds longer (RFC 6716 section 3.2.5)."""
FRAME_TICKS = (480, 960, 1920, 2880)
"""Durations of SILK frames by the two bits that choose them (RFC 6716 section 3.1)."""


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """One packet at ``pts`` (1/48000 s since the file began), ``ticks`` long."""

    payload: bytes
    pts: int
    ticks: int


class SoundGrid:
    """Gives every packet its place after the last one; where none came, silence stands.

    ``began_at`` is the second of the monotonic clock that pts 0 stands for.
    """

    def __init__(self, began_at: float) -> None:
        self.dropped = 0
        """Packets from before the beginning, and those that had no room."""
        self._began_at = began_at
        self._next = 0
        self._last: int | None = None
        self._ticks = 0
        self._offset_s = 0.0

    def push(self, payload: bytes, timestamp: int, at: float) -> Iterator[PlacedSound]:
        """Place a packet whose RTP timestamp stands for the second ``at``."""
        ticks = duration_ticks(payload)
        wanted = round((self._smooth(timestamp, at) - self._began_at) * SAMPLE_RATE_HZ)
        if not ticks or wanted < self._next - TOLERANCE_TICKS:
            self.dropped += 1
            return
        yield from self._fill(wanted)
        yield self._place(payload, ticks)

    def picture(self, at: float) -> Iterator[PlacedSound]:
        """Note a picture of the second ``at``: silence for what has not come by now."""
        yield from self._fill(round((at - LATE_S - self._began_at) * SAMPLE_RATE_HZ))

    def _fill(self, until: int) -> Iterator[PlacedSound]:
        while until - self._next >= TOLERANCE_TICKS:
            yield self._place(SILENCE, PACKET_TICKS)

    def _place(self, payload: bytes, ticks: int) -> PlacedSound:
        placed = PlacedSound(payload, self._next, ticks)
        self._next += ticks
        return placed

    def _smooth(self, timestamp: int, at: float) -> float:
        """When it sounds: the packets' own clock, which follows ``at`` slowly."""
        if self._last is None:
            self._last, self._offset_s = timestamp, at
        step = timestamp_after(self._last, timestamp)
        self._last = timestamp
        self._ticks += step
        sounds_at = self._offset_s + self._ticks / SAMPLE_RATE_HZ
        wrong = at - sounds_at
        self._offset_s += wrong if abs(wrong) > JUMP_S else PULL * wrong
        return self._offset_s + self._ticks / SAMPLE_RATE_HZ


def duration_ticks(payload: bytes) -> int:
    """How long a packet sounds in 1/48000 s (RFC 6716 section 3.1); 0 for what is none."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        ticks = FRAME_TICKS[config & 3]
    elif config < 16:
        ticks = FRAME_TICKS[config & 1]
    else:
        ticks = 120 << (config & 3)
    if code == 3:
        ticks *= payload[1] & 63 if len(payload) > 1 else 0
        return ticks if ticks <= LONGEST_TICKS else 0
    return ticks * (1 if code == 0 else 2)
