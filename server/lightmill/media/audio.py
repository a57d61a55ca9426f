"""Opus on its way through: held back as long as the picture takes, never decoded. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median

from lightmill.media.rtp import TIMESTAMP_MODULUS, sequence_after, timestamp_after

SAMPLE_RATE_HZ = 48_000
"""The RTP clock of Opus, whatever its sound was sampled at (RFC 7587 section 4.1)."""
PACKET_TICKS = 960
"""20 ms: what nearly every sender puts into a packet."""
LATENCY_WINDOW_S = 1.5
LATENCY_FRAMES = (5, 120)
"""Least frames before a latency counts, and the most that are remembered."""
ARRIVALS = 51
"""Packets over which the arrival of a timeline is averaged: one second."""
SLEW = 0.02
"""Seconds by which the delay may move in a second; players follow that without a sound."""
JUMP_S = 0.06
"""A delay that is wrong by more is corrected at once: the ear forgives a gap before it forgives this."""
LEAST_S = 0.005
"""A picture this fast needs no waiting sound."""
MOST_S = 10.0
MOST_EARLY_S = 0.2
"""A picture that overtakes its sound by more is not believed."""
REORDER_S = 0.02
"""A packet after a gap waits this long for the missing one."""
STRAYED_S = 1.0
"""A packet this far from its timeline begins another one."""
CAPACITY_PACKETS = 512


@dataclass(frozen=True, slots=True)
class OpusPacket:
    """One RTP payload; ``timestamp`` counts 1/48000 s.

    ``at_s`` is the second of the monotonic clock when it arrived, or, once it has left the delay,
    that on which the picture leaves that it belongs to.
    """

    payload: bytes
    timestamp: int
    at_s: float
    sequence_number: int
    marker: bool = False


@dataclass(order=True, slots=True)
class _Waiting:
    sequence: int
    timestamp: int = field(compare=False)
    packet: OpusPacket = field(compare=False)


class RunningMedian:
    """The median of the values of the last ``window_s`` seconds."""

    def __init__(self, window_s: float, least: int, most: int) -> None:
        self._window_s = window_s
        self._least = least
        self._values: deque[tuple[float, float]] = deque(maxlen=most)

    def add(self, value: float, now: float) -> None:
        values = self._values
        values.append((now, value))
        while len(values) > self._least and values[0][0] < now - self._window_s:
            values.popleft()

    @property
    def value(self) -> float | None:
        """``None`` while fewer than ``least`` values are known."""
        if len(self._values) < self._least:
            return None
        return median(value for _, value in self._values)

    def clear(self) -> None:
        self._values.clear()


class AudioDelay:
    """Holds packets until the picture that belongs to them has been encoded.

    What comes out has one timeline for ever: gaps, other publishers and jumps of the delay move it
    on by the time that really passed, and the first packet after them carries the marker. Lost
    packets stay a gap for the viewer's concealment. ``paced`` keeps packets to their timeline even
    when there is nothing to wait for. With `CAPACITY_PACKETS` waiting the oldest is dropped.
    """

    def __init__(self, *, paced: bool = False) -> None:
        self.skew_s = 0.0
        """How much longer than the sound the picture took to come here; see `LipSync`."""
        self.dropped = 0
        """Packets that came twice or too late, overflowed or were cut by a shorter delay."""
        self._paced = paced
        self._latency = RunningMedian(LATENCY_WINDOW_S, *LATENCY_FRAMES)
        self._shift_s = 0.0
        self._settled_at: float | None = None
        self._waiting: list[_Waiting] = []
        self._arrivals: deque[float] = deque(maxlen=ARRIVALS)
        self._base_s = 0.0
        self._newest: tuple[int, int] | None = None
        self._released: int | None = None
        self._offset: int | None = None
        self._marked = True
        self._out: tuple[int, float] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def delay_s(self) -> float:
        """What packets wait for at present."""
        return max(0.0, self._shift_s)

    def video_latency(self, seconds: float, now: float) -> None:
        """Note how long one picture took from its arrival to the encoder's output."""
        self._latency.add(seconds, now)

    def restart(self) -> None:
        """Begin another timeline: another publisher, or one that started anew."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._arrivals.clear()
        self._newest = self._released = self._offset = None

    def follow(self, other: AudioDelay) -> None:
        """Go on where ``other`` has stopped, as another source of the same output."""
        self._out = other._out
        self._offset = None

    def push(self, packet: OpusPacket) -> None:
        """Take a packet as it came; late and double ones are dropped."""
        if self._strayed(packet):
            self.restart()
        sequence, timestamp = self._unwrap(packet)
        waiting = _Waiting(sequence, timestamp, packet)
        at = bisect_left(self._waiting, waiting)
        twice = at < len(self._waiting) and self._waiting[at].sequence == sequence
        if twice or (self._released is not None and sequence <= self._released):
            self.dropped += 1
            return
        insort(self._waiting, waiting)
        self._arrivals.append(packet.at_s - timestamp / SAMPLE_RATE_HZ)
        self._base_s = median(self._arrivals)
        if len(self._waiting) > CAPACITY_PACKETS:
            del self._waiting[0]
            self.dropped += 1

    def next_due(self, now: float) -> float | None:
        """When `pop` has something; it may have passed already."""
        self._settle(now)
        return self._due(self._waiting[0]) if self._waiting else None

    def pop(self, now: float) -> OpusPacket | None:
        """The packet that is due at ``now`` on the output's timeline, or ``None``."""
        self._settle(now)
        while self._waiting and self._due(self._waiting[0]) <= now:
            head = self._waiting.pop(0)
            self._released = head.sequence
            timestamp = self._place(head.timestamp, now)
            if timestamp is None:
                self.dropped += 1
                continue
            self._out = (timestamp, now)
            marker, self._marked = self._marked or head.packet.marker, False
            return replace(
                head.packet,
                timestamp=timestamp % TIMESTAMP_MODULUS,
                at_s=self._on_timeline(head),
                marker=marker,
            )
        return None

    def _strayed(self, packet: OpusPacket) -> bool:
        if self._newest is None or not self._arrivals:
            return False
        timestamp = self._newest[1] + timestamp_after(self._newest[1], packet.timestamp)
        expected = self._base_s + timestamp / SAMPLE_RATE_HZ
        return abs(packet.at_s - expected) > STRAYED_S + (MOST_S if self._paced else 0)

    def _unwrap(self, packet: OpusPacket) -> tuple[int, int]:
        if self._newest is None:
            self._newest = (packet.sequence_number, packet.timestamp)
            return self._newest
        newest, latest = self._newest
        sequence = newest + sequence_after(newest, packet.sequence_number)
        timestamp = latest + timestamp_after(latest, packet.timestamp)
        if sequence > newest:
            self._newest = (sequence, timestamp)
        return sequence, timestamp

    def _due(self, waiting: _Waiting) -> float:
        due = waiting.packet.at_s
        if self._shift_s > 0 or self._paced:
            due = self._on_timeline(waiting)
        if self._released is not None and waiting.sequence != self._released + 1:
            due = max(due, waiting.packet.at_s + REORDER_S)
        return due

    def _on_timeline(self, waiting: _Waiting) -> float:
        """When its picture leaves, which may be before the sound has come."""
        return self._base_s + waiting.timestamp / SAMPLE_RATE_HZ + self._shift_s

    def _settle(self, now: float) -> None:
        """Move the delay towards the picture's."""
        target = min(MOST_S, max(-MOST_EARLY_S, (self._latency.value or 0.0) + self.skew_s))
        if abs(target) < LEAST_S:
            target = 0.0
        gap = target - self._shift_s
        if abs(gap) > JUMP_S:
            self._jump(gap)
        elif self._settled_at is not None:
            step = SLEW * max(0.0, now - self._settled_at)
            self._shift_s += min(step, max(-step, gap))
        self._settled_at = now

    def _jump(self, gap_s: float) -> None:
        self._shift_s += gap_s
        if self._offset is not None:
            self._offset += round(gap_s * SAMPLE_RATE_HZ)
            self._marked = True

    def _place(self, timestamp: int, now: float) -> int | None:
        """Where a packet goes on the output's timeline; ``None`` when its place is taken."""
        if self._offset is None:
            self._offset = self._resumed(now) - timestamp
            self._marked = True
        if self._out is None or not self._marked:
            return timestamp + self._offset
        short = self._out[0] + PACKET_TICKS - (timestamp + self._offset)
        if short > PACKET_TICKS // 2:
            return None
        self._offset += max(0, short)
        return timestamp + self._offset

    def _resumed(self, now: float) -> int:
        if self._out is None:
            return 0
        timestamp, at = self._out
        return timestamp + max(PACKET_TICKS, round((now - at) * SAMPLE_RATE_HZ))
