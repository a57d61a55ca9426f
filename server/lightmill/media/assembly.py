"""RTP packets -> whole encoded frames in order, each as soon as its last packet is there.

Packets in sequence go straight into the frame in progress; its marker bit, or a packet of another
timestamp, completes it. Packets behind a gap wait for the missing ones, which are asked for, at
most as long as a retransmission helps. Then the gap is given up: its frames are dropped, and so is
all that follows until a whole keyframe comes, since nothing else can be decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightmill.media.depayload import depayloader
from lightmill.media.gaps import Gaps
from lightmill.media.rtp import (
    SEQUENCE_MODULUS,
    TIMESTAMP_MODULUS,
    RtpPacket,
    sequence_after,
)

CLOCK_RATE = 90_000
"""Hertz, of all video payload formats."""
MAX_PACKETS = 1024
"""In one frame, and waiting behind a gap: over 1 MB, more than any keyframe below 4K."""
RESTART_JUMP = 1000
"""Steps of the sequence number beyond which it is another numbering, not loss or reordering."""
RESTART_SPREAD = 64
RESTART_WITHIN_S = 1.0
"""A restart is believed when a second packet comes that near to the first in number and time."""
DEFAULT_RTT_S = 0.05
DEFAULT_INTERVAL_S = 1 / 30
MAX_INTERVAL_S = 0.2
"""A pause of the sender longer than that is no frame rate."""
INTERVAL_GAIN = 1 / 8
GAP_INTERVALS = 1.5
GAP_MARGIN_S = 0.01
"""A gap waits for two round trips (asked twice) and this, or 1.5 frame intervals if longer."""


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """One whole frame: H.264 as Annex B, VP8 as is; ``timestamp`` is RTP's, 32 bits.

    ``first_arrival`` and ``arrival`` are when its first and its last packet came, on the clock of
    ``now``.
    """

    data: bytes
    timestamp: int
    keyframe: bool
    first_arrival: float
    arrival: float


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

    At most `MAX_PACKETS` wait behind a gap, and none longer than ``max_wait_s`` as long as packets
    come or `poll` is called when `due` says. ``rtt_s`` may be set at any time. All methods belong
    to one thread; ``now`` is any monotonic clock in seconds.
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
        self._depayloader = depayloader(codec)
        self._max_wait_s = max_wait_s
        self._request_interval_s = keyframe_request_interval_s
        self._nack = nack
        # The sequence number that comes next; none equals -1, which stands for "the first one".
        self._next = -1
        self._newest = -1  # the newest one received; valid while there are gaps
        self._gaps = Gaps()
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._keyframe_starts: set[int] = set()  # of those that wait
        self._given_up: set[int] = set()
        self._stray: tuple[RtpPacket, float] | None = None
        # The frame in progress.
        self._timestamp = -1  # -1 when there is none
        self._n_packets = 0
        self._first_arrival = 0.0
        self._last_arrival = 0.0
        self._sure = False  # the next frame is known to begin where the last one ended
        # The stream.
        self._previous_timestamp = -1  # of the last frame that left
        self._markers_lie = False
        self._interval_s = DEFAULT_INTERVAL_S
        self._undecodable = True  # until a keyframe
        self._wants_keyframe = False
        self._next_request = 0.0
        self._dropped_timestamp = -1
        self._frames = self._frames_dropped = self._packets = self._duplicates = 0
        self._late = self._nacked = self._recovered = self._keyframe_requests = 0

    def add(self, packet: RtpPacket, now: float) -> list[AssembledFrame]:
        """Take a packet and return the frames that it completes, in order; mostly none."""
        self._packets += 1
        frames: list[AssembledFrame] = []
        if packet.sequence_number == self._next and not self._waiting:
            self._next = (self._next + 1) % SEQUENCE_MODULUS
            self._consume(packet, now, frames)
        else:
            self._add_out_of_order(packet, now, frames)
        return frames

    def poll(self, now: float) -> list[AssembledFrame]:
        """Give up the gaps whose time is over and return the frames that this lets go."""
        frames: list[AssembledFrame] = []
        if self._waiting:
            self._settle(now, frames)
        return frames

    def due(self) -> float | None:
        """When the next call of `poll`, `take_nacks` or `take_keyframe_request` has work to do."""
        if not self._waiting and not self._wants_keyframe:
            return None
        times: list[float] = []
        if self._waiting:
            times.append(self._gaps.noticed() + self._gap_wait_s())
            ask = self._gaps.next_ask() if self._asks() else None
            if ask is not None:
                times.append(ask)
        if self._wants_keyframe:
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
        if not self._wants_keyframe or now < self._next_request:
            return False
        self._next_request = now + self._request_interval_s
        self._keyframe_requests += 1
        return True

    def need_keyframe(self, now: float) -> None:
        """Drop all until the next keyframe and ask for one: the decoder lost its references."""
        self._undecodable = True
        self._wants_keyframe = True
        self._next_request = max(self._next_request, now)

    def statistics(self) -> AssemblyStatistics:
        return AssemblyStatistics(
            frames=self._frames,
            frames_dropped=self._frames_dropped,
            packets=self._packets,
            duplicates=self._duplicates,
            late=self._late,
            nacked=self._nacked,
            recovered=self._recovered,
            keyframe_requests=self._keyframe_requests,
        )

    def _consume(self, packet: RtpPacket, arrival: float, frames: list[AssembledFrame]) -> None:
        """Take the packet that follows the last one."""
        payload = packet.payload
        if not payload:  # padding, sent to probe the path
            return
        if packet.timestamp != self._timestamp:
            if self._timestamp >= 0:
                self._finish(arrival, frames)
            self._begin(packet, arrival)
        self._n_packets += 1
        if arrival > self._last_arrival:
            self._last_arrival = arrival
        elif arrival < self._first_arrival:
            self._first_arrival = arrival
        self._depayloader.add(payload)
        if packet.marker and not self._markers_lie:
            self._finish(arrival, frames)
        elif self._n_packets > MAX_PACKETS:
            self._depayloader.spoil()

    def _begin(self, packet: RtpPacket, arrival: float) -> None:
        self._timestamp = packet.timestamp
        self._first_arrival = self._last_arrival = arrival
        self._n_packets = 0
        # Some senders mark every packet; theirs show a frame's end only by the next one's start.
        self._markers_lie = self._markers_lie or packet.timestamp == self._previous_timestamp
        self._depayloader.begin(self._sure)
        if self._undecodable and not self._depayloader.starts_keyframe(packet.payload):
            self._wants_keyframe = True

    def _finish(self, arrival: float, frames: list[AssembledFrame]) -> None:
        """End the frame in progress: it leaves, or the stream is undecodable until a keyframe."""
        timestamp, self._timestamp = self._timestamp, -1
        self._sure = True
        whole = self._depayloader.finish()
        if whole is None:
            self._lose(timestamp)
            return
        data, keyframe = whole
        if not data:
            return
        if keyframe:
            self._undecodable = self._wants_keyframe = False
        elif self._undecodable:
            self._lose(timestamp)
            return
        self._frames += 1
        self._measure_interval(timestamp)
        last_arrival = max(arrival, self._last_arrival)
        frames.append(AssembledFrame(data, timestamp, keyframe, self._first_arrival, last_arrival))

    def _lose(self, timestamp: int) -> None:
        self._undecodable = self._wants_keyframe = True
        if timestamp != self._dropped_timestamp:
            self._dropped_timestamp = timestamp
            self._frames_dropped += 1

    def _measure_interval(self, timestamp: int) -> None:
        interval = (timestamp - self._previous_timestamp) % TIMESTAMP_MODULUS / CLOCK_RATE
        if self._previous_timestamp >= 0 and 0 < interval <= MAX_INTERVAL_S:
            self._interval_s += INTERVAL_GAIN * (interval - self._interval_s)
        self._previous_timestamp = timestamp

    def _asks(self) -> bool:
        """Whether a retransmission can come in time at all."""
        return self._nack and self.rtt_s < self._max_wait_s

    def _gap_wait_s(self) -> float:
        useful = GAP_INTERVALS * self._interval_s
        if self._asks():
            useful = max(useful, 2 * self.rtt_s + GAP_MARGIN_S)
        return min(self._max_wait_s, useful)

    def _add_out_of_order(
        self, packet: RtpPacket, now: float, frames: list[AssembledFrame]
    ) -> None:
        sequence = packet.sequence_number
        if self._next < 0:
            self._next = sequence
        ahead = sequence_after(self._next, sequence)
        newest_ahead = sequence_after(self._next, self._newest) if self._waiting else -1
        if not -RESTART_JUMP <= ahead <= newest_ahead + RESTART_JUMP:
            self._add_stray(packet, now, frames)
            return
        if ahead < 0:
            self._count_old(sequence)
            return
        if sequence in self._waiting:
            self._duplicates += 1
            return
        if ahead <= newest_ahead:
            self._recovered += self._gaps.fill(sequence)
        else:
            first = (self._newest + 1) % SEQUENCE_MODULUS if self._waiting else self._next
            self._gaps.open(first, sequence, now)
            self._newest = sequence
        self._wait(packet, now)
        self._drain(frames)
        if self._waiting:
            self._settle(now, frames)

    def _wait(self, packet: RtpPacket, now: float) -> None:
        self._waiting[packet.sequence_number] = (packet, now)
        if packet.payload and self._depayloader.starts_keyframe(packet.payload):
            self._keyframe_starts.add(packet.sequence_number)

    def _count_old(self, sequence: int) -> None:
        if sequence in self._given_up:
            self._given_up.discard(sequence)
            self._late += 1
        else:
            self._duplicates += 1

    def _add_stray(self, packet: RtpPacket, now: float, frames: list[AssembledFrame]) -> None:
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
        self._abandon_frame()
        self._lose_waiting(list(self._waiting))
        self._next = self._previous_timestamp = -1
        self._markers_lie = False
        self._stray = None
        self._gaps.clear()
        self._waiting.clear()
        self._keyframe_starts.clear()
        self._given_up.clear()
        self._undecodable = self._wants_keyframe = True

    def _drain(self, frames: list[AssembledFrame]) -> None:
        """Take all that now follows without a gap."""
        while (entry := self._waiting.pop(self._next, None)) is not None:
            self._keyframe_starts.discard(self._next)
            self._next = (self._next + 1) % SEQUENCE_MODULUS
            self._consume(*entry, frames)

    def _settle(self, now: float, frames: list[AssembledFrame]) -> None:
        """Give up gaps until none is overdue, in front of a whole keyframe, or one too many."""
        while self._waiting:
            overdue = now >= self._gaps.noticed() + self._gap_wait_s()
            crowded = len(self._waiting) > MAX_PACKETS
            target = None
            if self._keyframe_starts and (self._undecodable or overdue or crowded):
                target = self._whole_keyframe()
            if target is None:
                if not overdue and not crowded:
                    return
                target = min(self._waiting, key=lambda s: sequence_after(self._next, s))
            self._skip_to(target)
            self._drain(frames)

    def _whole_keyframe(self) -> int | None:
        """Return the first packet of the oldest keyframe that waits with all its packets."""
        for start in sorted(self._keyframe_starts, key=lambda s: sequence_after(self._next, s)):
            timestamp = self._waiting[start][0].timestamp
            sequence = start
            while (entry := self._waiting.get(sequence)) is not None:
                packet = entry[0]
                if packet.marker or (packet.payload and packet.timestamp != timestamp):
                    return start
                sequence = (sequence + 1) % SEQUENCE_MODULUS
        return None

    def _skip_to(self, target: int) -> None:
        """Give up all before ``target``, received or missing."""
        self._abandon_frame()
        self._lose_waiting([s for s in self._waiting if sequence_after(s, target) > 0])
        self._given_up.update(self._gaps.forget_before(target))
        self._next = target
        if len(self._given_up) > MAX_PACKETS:
            self._given_up = {
                s for s in self._given_up if sequence_after(s, target) <= RESTART_JUMP
            }
        self._undecodable = self._wants_keyframe = True

    def _lose_waiting(self, sequences: list[int]) -> None:
        lost = [self._waiting.pop(sequence)[0] for sequence in sequences]
        self._keyframe_starts.difference_update(sequences)
        for timestamp in {packet.timestamp for packet in lost if packet.payload}:
            self._lose(timestamp)

    def _abandon_frame(self) -> None:
        self._sure = False
        if self._timestamp >= 0:
            self._lose(self._timestamp)
            self._timestamp = -1
            self._depayloader.spoil()
