"""The sequence numbers that are missing between received ones, and when to ask for them (NACK)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from lightmill.media.rtp import SEQUENCE_MODULUS, sequence_after

RETRY_MARGIN_S = 0.005
"""On top of the round trip: the sender's and our own scheduling."""
MIN_RETRY_S = 0.02
MAX_ASKED = 256
"""With more missing than this the path is broken, and retransmissions would add to the burden."""


@dataclass(slots=True)
class MissingPacket:
    """When it was noticed, on the caller's clock, and when it may be asked for (again)."""

    noticed: float
    ask_at: float
    asked: bool = False


class Gaps:
    """Missing sequence numbers, oldest first; empty most of the time."""

    def __init__(self) -> None:
        self._missing: dict[int, MissingPacket] = {}

    def __len__(self) -> int:
        return len(self._missing)

    def open(self, first: int, until: int, now: float) -> None:
        """Note that ``first`` and what follows, below ``until``, did not come by ``now``."""
        sequence = first
        while sequence != until:
            self._missing[sequence] = MissingPacket(now, now)
            sequence = (sequence + 1) % SEQUENCE_MODULUS

    def fill(self, sequence: int) -> bool:
        """Note that a missing packet came; True when it had been asked for."""
        return self._missing.pop(sequence).asked

    def noticed(self) -> float:
        """When the oldest one was noticed; the caller has seen that there is one."""
        return next(iter(self._missing.values())).noticed

    def forget_before(self, until: int) -> list[int]:
        """Give up all that are older than ``until``, and return them."""
        old = list(takewhile(lambda one: sequence_after(one, until) > 0, self._missing))
        for sequence in old:
            del self._missing[sequence]
        return old

    def clear(self) -> None:
        self._missing.clear()

    def ask(self, now: float, rtt_s: float) -> list[int]:
        """Return those to be asked for now; each is due again about a round trip later."""
        if len(self._missing) > MAX_ASKED:
            return []
        retry_s = max(MIN_RETRY_S, rtt_s + RETRY_MARGIN_S)
        asked: list[int] = []
        for sequence, packet in self._missing.items():
            if packet.ask_at <= now:
                packet.ask_at, packet.asked = now + retry_s, True
                asked.append(sequence)
        return asked

    def next_ask(self) -> float | None:
        """When `ask` will next return something, None when it will not."""
        if not self._missing or len(self._missing) > MAX_ASKED:
            return None
        return min(packet.ask_at for packet in self._missing.values())
