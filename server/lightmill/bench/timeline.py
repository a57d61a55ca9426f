"""Which sent frame a received picture is. Pure.

The clip loops, so a picture's number names a frame of the clip and not of the stream. The stream
position follows from the order (never back) and from how far the RTP timestamp has moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RTP_CLOCK_HZ = 90_000
TIMESTAMP_MODULUS = 1 << 32


@dataclass(slots=True)
class Timeline:
    """What one publisher has sent, by stream position."""

    fps: float
    numbers: list[int] = field(default_factory=list[int])
    """The frame of the clip."""
    sent_at: list[float] = field(default_factory=list[float])
    """Monotonic seconds."""

    def sent(self, number: int, now: float) -> None:
        self.numbers.append(number)
        self.sent_at.append(now)


class Follower:
    """One receiver's place in a `Timeline`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._position = -1
        self._timestamp = 0

    def sent_at(self, number: int, timestamp: int) -> float | None:
        """When the picture was sent; None when it repeats the last one or was never sent."""
        position = self.position(number, timestamp)
        return None if position is None else self._timeline.sent_at[position]

    def position(self, number: int, timestamp: int) -> int | None:
        """The picture's stream position; then the next one is looked for behind it."""
        numbers = self._timeline.numbers
        if self._position < 0:
            expected = float(len(numbers))
        else:
            expected = self._position + self._frames_since(timestamp)
            if numbers[self._position] == number and expected < self._position + 2:
                return None
        candidates = [at for at in range(self._position + 1, len(numbers)) if numbers[at] == number]
        if not candidates:
            return None
        self._position = min(candidates, key=lambda at: abs(at - expected))
        self._timestamp = timestamp
        return self._position

    def _frames_since(self, timestamp: int) -> float:
        """Frame intervals from the last picture to this one, by their RTP timestamps."""
        ticks = (timestamp - self._timestamp) % TIMESTAMP_MODULUS
        return ticks * self._timeline.fps / RTP_CLOCK_HZ
