from __future__ import annotations

from itertools import pairwise

import pytest

from lightmill.media.sound_grid import SILENCE, SoundGrid, duration_ticks

STEREO_20_MS = b"\xfc\x01\x02"


def test_packets_lie_end_to_end_and_losses_become_silence():
    grid = SoundGrid(100.0)
    placed = [
        one
        for number in (0, 1, 2, 5, 6)
        for one in grid.push(STEREO_20_MS, number * 960, 100.0 + number * 0.02)
    ]
    assert [one.pts for one in placed] == [number * 960 for number in range(7)]
    assert [one.payload == SILENCE for one in placed] == [False] * 3 + [True] * 2 + [False] * 2


def test_sound_that_begins_later_has_silence_before_it():
    grid = SoundGrid(100.0)
    placed = list(grid.push(STEREO_20_MS, 0, 100.5))
    assert placed[-1].pts == 25 * 960 and placed[-1].payload == STEREO_20_MS
    assert all(one.payload == SILENCE for one in placed[:-1]) and len(placed) == 26


def test_pictures_without_sound_get_silence_a_second_later():
    grid = SoundGrid(100.0)
    assert list(grid.picture(100.9)) == []
    placed = list(grid.picture(102.0))
    assert sum(one.ticks for one in placed) == pytest.approx(48_000, abs=960)
    assert grid.dropped == 0
    assert list(grid.push(STEREO_20_MS, 0, 100.2)) == [] and grid.dropped == 1


def test_another_clocks_drift_never_grows():
    """200 ppm for an hour would be 0.72 s; what is placed stays within 20 ms of its time."""
    grid = SoundGrid(0.0)
    worst, last = 0.0, -1
    for number in range(180_000):
        at = number * 0.02 * 1.0002
        for one in grid.push(STEREO_20_MS, number * 960, at):
            assert one.pts > last
            last = one.pts
            if one.payload != SILENCE:
                worst = max(worst, abs(one.pts / 48_000 - at))
    assert worst < 0.02


def test_jitter_of_the_stamps_moves_nothing():
    grid = SoundGrid(0.0)
    placed = [
        one
        for number in range(500)
        for one in grid.push(STEREO_20_MS, number * 960, number * 0.02 + 0.012 * (number % 2))
    ]
    assert all(b.pts - a.pts == 960 for a, b in pairwise(placed))
    assert all(one.payload == STEREO_20_MS for one in placed)


def test_a_timeline_that_wraps_goes_on():
    grid = SoundGrid(0.0)
    start = (1 << 32) - 960
    stamps = [(start + number * 960) % (1 << 32) for number in range(3)]
    placed = [one for n, s in enumerate(stamps) for one in grid.push(STEREO_20_MS, s, n * 0.02)]
    assert [one.pts for one in placed] == [0, 960, 1920]


@pytest.mark.parametrize(
    ("payload", "ticks"),
    [
        (b"", 0),
        (SILENCE, 960),
        (b"\x00\x01", 480),  # SILK, 10 ms
        (b"\x18\x01", 2880),  # SILK, 60 ms
        (b"\x61\x01", 960),  # hybrid, two of 10 ms
        (b"\x80\x01", 120),  # CELT, 2.5 ms
        (b"\xfb\x03\x01", 2880),  # CELT, three of 20 ms
        (b"\xfb", 0),  # cut off
        (b"\xff\xff\xff", 0),
    ],
)
def test_durations(payload, ticks):
    assert duration_ticks(payload) == ticks
