"""Sender reports tell how much longer the picture travels than the sound."""

from __future__ import annotations

from lightmill.media.lipsync import LipSync

CLOCK = 3_900_000_000
"""A wall clock in NTP seconds."""


def play(lips: LipSync, video_way_s: float, audio_way_s: float, *, wrap: bool = False) -> None:
    """Two seconds of a publisher whose streams take these ways."""
    audio_zero = (1 << 32) - 24_000 if wrap else 1_000
    lips.audio.report(CLOCK << 32, audio_zero)
    lips.video.report(CLOCK << 32, 77)
    for index in range(60):
        captured = index / 30
        audio = (audio_zero + round(captured * 48_000)) % (1 << 32)
        lips.audio.arrived(audio, 10 + captured + audio_way_s)
        lips.video.arrived(77 + round(captured * 90_000), 10 + captured + video_way_s)


def test_the_difference_of_the_ways_is_measured():
    lips = LipSync()
    play(lips, 0.06, 0.02, wrap=True)
    assert abs(lips.skew_s - 0.04) < 1e-4
    assert lips.measured_s == lips.skew_s


def test_without_reports_nothing_is_known():
    lips = LipSync()
    lips.audio.report(0, 5)
    for index in range(60):
        lips.audio.arrived(index * 1_600, index / 30)
        lips.video.arrived(index * 3_000, index / 30)
    assert lips.measured_s is None and lips.skew_s == 0


def test_clocks_that_have_nothing_in_common_are_not_followed():
    lips = LipSync()
    play(lips, 3.0, 0.0)
    assert lips.measured_s is not None and lips.measured_s > 2
    assert lips.skew_s == 0
