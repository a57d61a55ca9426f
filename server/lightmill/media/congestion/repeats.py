"""Which lost packets are sent again, and what being asked for them tells."""

from __future__ import annotations

from collections import OrderedDict

from lightmill.media.congestion.byte_rate import ByteRate

WINDOW_S, REPEATED_WINDOW_S = 0.3, 0.5
SHARE = 0.25
"""Most repeated packets, as a share of the target; twice what 10 % of loss needs."""
AGAIN_S = 0.03
"""A packet is repeated once in so long, or in a round trip if that is longer: aiortc lists in each
NACK all that it misses, also what is on its way."""
MOST_ASKED = 1024
FLOOD, FLOOD_BITS = 0.25, 128_000
"""Losing this share, and so much of it, within the window is no random loss but a full queue."""


class Repeats:
    """Rations one viewer's retransmissions. Times are seconds of one monotonic clock.

    Without a limit, repeats of what a full queue drops fill that queue for ever.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[int, float] = OrderedDict()
        self._lost = ByteRate(WINDOW_S)
        self._repeated = ByteRate(REPEATED_WINDOW_S)

    def admit(
        self, sequence_number: int, size_bytes: int, target_bps: float, rtt_s: float, now: float
    ) -> bool:
        last = self._asked.get(sequence_number)
        if last is None:
            self._lost.add(size_bytes, now)
        elif now - last < max(AGAIN_S, rtt_s):
            return False
        if self._repeated.bps(now) > SHARE * target_bps:
            self._asked.setdefault(sequence_number, float("-inf"))
            return False
        self._asked[sequence_number] = now
        self._asked.move_to_end(sequence_number)
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        self._repeated.add(size_bytes, now)
        return True

    def bps(self, now: float) -> float:
        """What is sent again, bits per second."""
        return self._repeated.bps(now)

    def lost_bps(self, sent_bps: float, now: float) -> float | None:
        """What is lost, bits per second, when it is so much that the network must be full."""
        lost = self._lost.bps(now)
        flood = lost > FLOOD * sent_bps and lost * WINDOW_S > FLOOD_BITS
        return lost if flood else None
