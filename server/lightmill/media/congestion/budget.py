"""Which frames are encoded when the network has less room than the encoder was told."""

from __future__ import annotations

ALLOWANCE_S = 0.2
"""How far encoded frames may run ahead of the pace, in seconds of it: a keyframe at a good rate
passes, a keyframe at a poor one makes the next frames wait."""


class FrameBudget:
    """Skips frames before they are encoded, so that nothing piles up in the network.

    A frame that is not encoded breaks no reference and costs no keyframe; one that is dropped
    afterwards does. Ask `admit` before each frame and tell `spend` what came out of the encoder.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._debt_bits = 0.0
        self._pace_bps = 0.0
        self._at: float | None = None

    def admit(self, pace_bps: float, now: float) -> bool:
        """Whether the frame at ``now`` shall be encoded; a pace of 0 admits none."""
        if pace_bps < self._pace_bps:
            # What an earlier pace allowed is in the network, and draining it is that pace's matter.
            self._debt_bits = min(self._debt_bits, pace_bps * ALLOWANCE_S)
        self._pace_bps = pace_bps
        if self._at is not None:
            self._debt_bits = max(0.0, self._debt_bits - pace_bps * (now - self._at))
        self._at = now
        admitted = pace_bps > 0 and self._debt_bits <= pace_bps * ALLOWANCE_S
        self.skipped += not admitted
        return admitted

    def spend(self, size_bytes: int) -> None:
        self._debt_bits += size_bytes * 8
