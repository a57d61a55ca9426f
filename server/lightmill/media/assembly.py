"""RTP packets -> whole encoded frames in order, each as soon as its last packet is there.

Packets in sequence are joined at once. Packets behind a gap wait for the missing ones, which are
asked for, at most as long as a retransmission helps. Then the gap is given up: its frames are
dropped, and so is all that follows until a whole keyframe comes, since nothing else can be decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightmill.media.gaps import Gaps
from lightmill.media.joining import CLOCK_RATE, AssembledFrame, FrameJoiner
from lightmill.media.rtp import SEQUENCE_MODULUS, RtpPacket, sequence_after, timestamp_after

__all__ = ["AssembledFrame", "AssemblyStatistics", "FrameAssembler"]

MAX_WAITING = 1024
"""Packets behind a gap; at 10 Mbit/s they come in a second."""
RESTART_JUMP = 1000
"""Steps of the sequence number beyond which it is another numbering, not loss or reordering."""
RESTART_TICKS = 30 * CLOCK_RATE
"""A packet with an old number and such a timestamp is no old packet either."""
RESTART_SPREAD = 64
RESTART_WITHIN_S = 1.0
"""A restart is believed when a second packet comes that near to the first in number and time."""
DEFAULT_RTT_S = 0.05
GAP_INTERVALS = 1.5
GAP_ROUND_TRIPS, GAP_MARGIN_S = 3, 0.01
"""A gap waits for so many round trips and this, which is time to ask twice on a path whose delay
varies, or 1.5 frame intervals if longer."""


@dataclass(frozen=True, slots=True)
class AssemblyStatistics:
    """Counts since the start.

    ``frames`` left, ``frames_dropped`` came in part or could not be decoded. ``packets`` are all;
    of them ``duplicates`` had come before and ``late`` were given up. ``nacked`` sequence numbers
    were asked for (each retry counts) and ``recovered`` came after that and in time.
    """

    frames: int
    frames_dropped: int
    packets: int
    duplicates: int
    late: int
    nacked: int
    recovered: int
    keyframe_requests: int


class FrameAssembler:
    """Assembles the packets of one SSRC; they come through `add`, retransmitted ones as well.

    At most `MAX_WAITING` packets wait behind a gap, and none longer than ``max_wait_s`` as long as
    packets come or `poll` is called when `due` says. ``rtt_s`` may be set at any time. All methods
    belong to one thread; ``now`` is any monotonic clock in seconds.
    """

    def __init__(
        self,
        codec: str,
        *,
        max_wait_s: float = 0.12,
        keyframe_request_interval_s: float = 0.5,
        nack: bool = True,
    ) -> None:
        """Begin before the first packet of ``codec``, "H264" or "VP8".

        Without ``nack`` gaps wait only for reordered packets.

        Raises:
            ValueError: the codec is unknown.

        """
        self.rtt_s = DEFAULT_RTT_S
        self._joiner = FrameJoiner(codec)
        self._max_wait_s = max_wait_s
        self._request_interval_s = keyframe_request_interval_s
        self._nack = nack
        # The sequence number that comes next; none equals -1, which stands for "the first one".
        self._next = -1
        self._newest = -1  # the newest one received; valid while packets wait
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._gaps = Gaps()  # not empty exactly while packets wait
        self._keyframe_starts: set[int] = set()  # of those that wait
        self._given_up: set[int] = set()
        self._stray: tuple[RtpPacket, float] | None = None
        self._next_request = 0.0
        self._packets = self._duplicates = self._late = 0
        self._nacked = self._recovered = self._keyframe_requests = 0

    def add(self, packet: RtpPacket, now: float) -> list[AssembledFrame]:
        """Take a packet and return the frames that it completes, in order; mostly none."""
        self._packets += 1
        frames: list[AssembledFrame] = []
        if packet.sequence_number == self._next and not self._waiting:
            self._next = (self._next + 1) % SEQUENCE_MODULUS
            self._joiner.add(packet, now, frames)
        else:
            self._place(packet, now, frames)
        return frames

    def poll(self, now: float) -> list[AssembledFrame]:
        """Give up the gaps whose time is over and return the frames that this lets go."""
        frames: list[AssembledFrame] = []
        self._settle(now, frames)
        return frames

    def due(self) -> float | None:
        """When `poll`, `take_nacks` or `take_keyframe_request` has work; None: not by itself."""
        if not self._waiting and not self._joiner.wants_keyframe:
            return None
        times: list[float] = []
        if self._waiting:
            times.append(self._gaps.noticed() + self._gap_wait_s())
            ask_at = self._gaps.next_ask() if self._asks() else None
            if ask_at is not None:
                times.append(ask_at)
        if self._joiner.wants_keyframe:
            times.append(self._next_request)
        return min(times)

    def take_nacks(self, now: float) -> list[int]:
        """Return the sequence numbers to ask for now; the caller sends them."""
        if not self._waiting or not self._asks():
            return []
        asked = self._gaps.ask(now, self.rtt_s)
        self._nacked += len(asked)
        return asked

    def take_keyframe_request(self, now: float) -> bool:
        """Whether to send a PLI now: once an interval for as long as a keyframe is needed."""
        if not self._joiner.wants_keyframe or now < self._next_request:
            return False
        self._next_request = now + self._request_interval_s
        self._keyframe_requests += 1
        return True

    def need_keyframe(self, now: float) -> None:
        """Drop all until the next keyframe and ask for one: the decoder lost its references."""
        self._joiner.lose_references()
        self._next_request = max(self._next_request, now)

    def statistics(self) -> AssemblyStatistics:
        return AssemblyStatistics(
            frames=self._joiner.frames,
            frames_dropped=self._joiner.frames_dropped,
            packets=self._packets,
            duplicates=self._duplicates,
            late=self._late,
            nacked=self._nacked,
            recovered=self._recovered,
            keyframe_requests=self._keyframe_requests,
        )

    def _asks(self) -> bool:
        """Whether a retransmission can come in time at all."""
        return self._nack and self.rtt_s < self._max_wait_s

    def _gap_wait_s(self) -> float:
        useful_s = GAP_INTERVALS * self._joiner.interval_s
        if self._asks():
            useful_s = max(useful_s, GAP_ROUND_TRIPS * self.rtt_s + GAP_MARGIN_S)
        return min(self._max_wait_s, useful_s)

    def _place(self, packet: RtpPacket, now: float, frames: list[AssembledFrame]) -> None:
        """Take a packet that is the first one, or not the next one, or fills a gap."""
        sequence = packet.sequence_number
        if self._next < 0:
            self._next = sequence
        ahead = sequence_after(self._next, sequence)
        newest_ahead = sequence_after(self._next, self._newest) if self._waiting else -1
        if not -RESTART_JUMP <= ahead <= newest_ahead + RESTART_JUMP:
            self._suspect_restart(packet, now, frames)
        elif ahead < 0:
            lag = abs(timestamp_after(packet.timestamp, self._joiner.newest_timestamp))
            if lag > RESTART_TICKS:
                self._suspect_restart(packet, now, frames)
            else:
                self._count_old(sequence)
        elif sequence in self._waiting:
            self._duplicates += 1
        else:
            if ahead <= newest_ahead:
                self._recovered += self._gaps.fill(sequence)
            else:
                first = (self._next + newest_ahead + 1) % SEQUENCE_MODULUS
                self._gaps.open(first, sequence, now)
                self._newest = sequence
            self._waiting[sequence] = (packet, now)
            if packet.payload and self._joiner.depayloader.starts_keyframe(packet.payload):
                self._keyframe_starts.add(sequence)
            self._join(frames)
            self._settle(now, frames)

    def _count_old(self, sequence: int) -> None:
        if sequence in self._given_up:
            self._given_up.discard(sequence)
            self._late += 1
        else:
            self._duplicates += 1

    def _suspect_restart(self, packet: RtpPacket, now: float, frames: list[AssembledFrame]) -> None:
        """Keep a packet from far away; a second one from there proves that the sender restarted."""
        stray, self._stray = self._stray, (packet, now)
        if stray is None or now - stray[1] > RESTART_WITHIN_S:
            return
        distance = sequence_after(stray[0].sequence_number, packet.sequence_number)
        if not 0 < abs(distance) <= RESTART_SPREAD:
            return
        self._restart()
        pair = [stray, (packet, now)]
        for kept, arrival in pair if distance > 0 else reversed(pair):
            self._packets -= 1  # it was counted when it came
            frames += self.add(kept, arrival)

    def _restart(self) -> None:
        self._joiner.restart()
        self._drop_waiting(list(self._waiting))
        self._gaps.clear()
        self._given_up.clear()
        self._next = -1
        self._stray = None

    def _join(self, frames: list[AssembledFrame]) -> None:
        """Take all that now follows without a gap."""
        while (entry := self._waiting.pop(self._next, None)) is not None:
            self._keyframe_starts.discard(self._next)
            self._next = (self._next + 1) % SEQUENCE_MODULUS
            self._joiner.add(*entry, frames)

    def _settle(self, now: float, frames: list[AssembledFrame]) -> None:
        """Give up the gaps that are overdue, in front of a whole keyframe, or one too many."""
        while self._waiting:
            over = now >= self._gaps.noticed() + self._gap_wait_s()
            over = over or len(self._waiting) > MAX_WAITING
            target = None
            if self._keyframe_starts and (over or self._joiner.undecodable):
                target = self._whole_keyframe()
            if target is None:
                if not over:
                    return
                target = self._behind_the_gap()
            self._skip_to(target)
            self._join(frames)

    def _behind_the_gap(self) -> int:
        """Return the oldest packet that waits."""
        sequence = self._next
        while sequence not in self._waiting:
            sequence = (sequence + 1) % SEQUENCE_MODULUS
        return sequence

    def _ahead(self, sequence: int) -> int:
        return sequence_after(self._next, sequence)

    def _whole_keyframe(self) -> int | None:
        """Return the first packet of the oldest keyframe that waits with all its packets."""
        walked = -1  # how far the last walk came; another from within it ends there too
        for start in sorted(self._keyframe_starts, key=self._ahead):
            if self._ahead(start) < walked:
                continue
            timestamp = self._waiting[start][0].timestamp
            sequence = start
            while (entry := self._waiting.get(sequence)) is not None:
                packet = entry[0]
                if packet.marker or (packet.payload and packet.timestamp != timestamp):
                    return start
                sequence = (sequence + 1) % SEQUENCE_MODULUS
            walked = self._ahead(sequence)
        return None

    def _skip_to(self, target: int) -> None:
        """Give up all before ``target``, received or missing."""
        self._joiner.interrupt()
        if target in self._keyframe_starts:  # any other target is the oldest that waits
            self._drop_waiting([s for s in self._waiting if sequence_after(s, target) > 0])
        self._given_up.update(self._gaps.forget_before(target))
        self._next = target
        if len(self._given_up) > 2 * RESTART_JUMP:
            self._given_up = {
                s for s in self._given_up if 0 < sequence_after(s, target) <= RESTART_JUMP
            }

    def _drop_waiting(self, sequences: list[int]) -> None:
        dropped = [self._waiting.pop(sequence)[0] for sequence in sequences]
        self._keyframe_starts.difference_update(sequences)
        for timestamp in {packet.timestamp for packet in dropped if packet.payload}:
            self._joiner.drop(timestamp)
