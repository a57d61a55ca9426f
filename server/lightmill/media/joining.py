"""Packets in sequence -> frames that can be decoded; the rest is dropped and a keyframe wished for."""

from __future__ import annotations

from dataclasses import dataclass

from lightmill.media.depayload import depayloader
from lightmill.media.rtp import TIMESTAMP_MODULUS, RtpPacket

CLOCK_RATE = 90_000
"""Hertz, of all video payload formats."""
MAX_FRAME_PACKETS = 1024
"""Over 1 MB, more than any keyframe below 4K."""
DEFAULT_INTERVAL_S = 1 / 30
MAX_INTERVAL_S = 0.2
"""A longer pause of the sender is no frame rate."""
INTERVAL_GAIN = 1 / 8


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """One whole frame: H.264 as Annex B, VP8 as is; ``timestamp`` is RTP's, 32 bits.

    ``first_arrival`` and ``arrival`` are when its first packet and the one that completed it came,
    on the clock of ``now``.
    """

    data: bytes
    timestamp: int
    keyframe: bool
    first_arrival: float
    arrival: float


class FrameJoiner:
    """Joins the packets of one stream, given in sequence; the caller tells it of `interrupt`.

    A frame ends with its marker bit or in front of a packet of another timestamp. It leaves when
    it is whole and can be decoded: after an interruption or a broken frame only keyframes can.
    """

    def __init__(self, codec: str) -> None:
        """Begin before the first packet of ``codec``.

        Raises:
            ValueError: the codec is unknown.

        """
        self.depayloader = depayloader(codec)
        self.undecodable = True
        """Until a keyframe."""
        self.wants_keyframe = False
        """Whether one must be asked for; at the start that is known when the first packet came."""
        self.interval_s = DEFAULT_INTERVAL_S
        """Between frames, smoothed, by their timestamps."""
        self.newest_timestamp = 0
        """Of the frame in progress or the last one."""
        self.frames = 0
        self.frames_dropped = 0
        # The frame in progress.
        self._timestamp = -1  # -1 when there is none
        self._n_packets = 0
        self._first_arrival = 0.0
        self._last_arrival = 0.0
        # What came before it.
        self._sure = False  # the last packet was another frame's, and nothing is missing behind it
        self._previous_timestamp = -1  # of the last frame that left
        self._dropped_timestamp = -1
        self._ended_timestamp = -1  # of the last one that had slices, whole or not
        self._markers_lie = False

    def add(self, packet: RtpPacket, arrival: float, frames: list[AssembledFrame]) -> None:
        """Take the packet that follows the last one; append the frames that it completes."""
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
        self.depayloader.add(payload)
        if packet.marker and not self._markers_lie:
            self._finish(arrival, frames)
        elif self._n_packets > MAX_FRAME_PACKETS:
            self.depayloader.spoil()

    def interrupt(self) -> None:
        """Drop the frame in progress: what follows it is missing."""
        self._sure = False
        self.lose_references()
        if self._timestamp >= 0:
            self.drop(self._timestamp)
            self._timestamp = -1
            self.depayloader.spoil()

    def restart(self) -> None:
        """Drop the frame in progress: another stream begins, with timestamps of its own."""
        self.interrupt()
        self._previous_timestamp = self._ended_timestamp = -1
        self._markers_lie = False

    def lose_references(self) -> None:
        """Let nothing but a keyframe leave next."""
        self.undecodable = self.wants_keyframe = True

    def drop(self, timestamp: int) -> None:
        """Count a frame that will not leave; one that was lost in two pieces counts once."""
        if timestamp != self._dropped_timestamp:
            self._dropped_timestamp = timestamp
            self.frames_dropped += 1

    def _begin(self, packet: RtpPacket, arrival: float) -> None:
        self._timestamp = self.newest_timestamp = packet.timestamp
        self._first_arrival = self._last_arrival = arrival
        self._n_packets = 0
        # Some senders mark every packet; theirs show a frame's end only by the next one's start.
        self._markers_lie = self._markers_lie or packet.timestamp == self._ended_timestamp
        self.depayloader.begin(self._sure)
        if self.undecodable and not self.depayloader.starts_keyframe(packet.payload):
            self.wants_keyframe = True

    def _finish(self, arrival: float, frames: list[AssembledFrame]) -> None:
        timestamp, self._timestamp = self._timestamp, -1
        self._sure = True
        whole = self.depayloader.finish()
        if whole is None or whole[0]:
            self._ended_timestamp = timestamp
        if whole is None or (self.undecodable and whole[0] and not whole[1]):
            self.lose_references()
            self.drop(timestamp)
            return
        data, keyframe = whole
        if not data:
            return
        if keyframe:
            self.undecodable = self.wants_keyframe = False
        self.frames += 1
        self._measure_interval(timestamp)
        last = max(arrival, self._last_arrival)
        frames.append(AssembledFrame(data, timestamp, keyframe, self._first_arrival, last))

    def _measure_interval(self, timestamp: int) -> None:
        interval_s = (timestamp - self._previous_timestamp) % TIMESTAMP_MODULUS / CLOCK_RATE
        if self._previous_timestamp >= 0 and 0 < interval_s <= MAX_INTERVAL_S:
            self.interval_s += INTERVAL_GAIN * (interval_s - self.interval_s)
        self._previous_timestamp = timestamp
