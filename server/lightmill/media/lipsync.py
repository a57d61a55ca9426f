"""How far a publisher's sound and picture come apart on their way to us. Pure.

A publisher's sender reports relate the RTP clocks of its streams to one wall clock (RFC 3550 section
6.4.1). What was captured together should be shown together, although the picture was encoded and
paced for longer than the sound.
"""

from __future__ import annotations

from lightmill.media.audio import SAMPLE_RATE_HZ, RunningMedian
from lightmill.media.rtp import timestamp_after

VIDEO_RATE_HZ = 90_000
NTP_FRACTIONS = 1 << 32
WINDOW_S = 2.0
ARRIVALS = (10, 120)
"""Least arrivals before a stream's way counts, and the most that are remembered."""
PLAUSIBLE_S = 0.5
"""More than this is no encoder's delay but two clocks that have nothing in common."""


class _Stream:
    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._report: tuple[float, int] | None = None
        self.transit = RunningMedian(WINDOW_S, *ARRIVALS)

    def report(self, ntp: int, timestamp: int) -> None:
        if ntp:
            self._report = (ntp / NTP_FRACTIONS, timestamp)

    def arrived(self, timestamp: int, now: float) -> None:
        if self._report is not None:
            captured = self._report[0] + timestamp_after(self._report[1], timestamp) / self._rate_hz
            self.transit.add(now - captured, now)


class LipSync:
    """Compares the ways of one publisher's two streams."""

    def __init__(self) -> None:
        self.audio = _Stream(SAMPLE_RATE_HZ)
        self.video = _Stream(VIDEO_RATE_HZ)

    @property
    def measured_s(self) -> float | None:
        """Seconds by which the picture comes later than the sound; ``None`` without reports."""
        audio, video = self.audio.transit.value, self.video.transit.value
        return None if audio is None or video is None else video - audio

    @property
    def skew_s(self) -> float:
        """What to compensate: 0 while unknown or implausible."""
        measured = self.measured_s
        return measured if measured is not None and abs(measured) <= PLAUSIBLE_S else 0.0
