"""What was sent and is not known to have arrived: the fresh half of a receiver report.

A report's round trip dates from the last sender report; its highest sequence number (RFC 3550
section 6.4.1) tells what had arrived when it was written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lightmill.media.rtp import sequence_after

MOST_PACKETS = 4096
"""Packets remembered, the oldest forgotten first: four seconds at 8 Mbit/s."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``waiting_s``: since the first packet that had not arrived was sent; 0 when all had.

    It is at most the round trip, and short of it by no more than the gap between two packets.
    ``passed_bytes``: sent up to the highest one that arrived, since the report before.
    """

    waiting_s: float
    passed_bytes: int


class Flight:
    """Packets of one stream in the order in which they were sent for the first time."""

    def __init__(self) -> None:
        self._packets: deque[tuple[int, float, int]] = deque(maxlen=MOST_PACKETS)

    def sent(self, sequence_number: int, size_bytes: int, now: float) -> None:
        self._packets.append((sequence_number, now, size_bytes))

    def reported(self, highest_sequence: int, now: float) -> Progress:
        """Forget what had arrived; of the extended number the lower 16 bits count."""
        highest, packets, passed = highest_sequence & 0xFFFF, self._packets, 0
        while packets and sequence_after(highest, packets[0][0]) <= 0:
            passed += packets.popleft()[2]
        return Progress(now - packets[0][1] if packets else 0.0, passed)
