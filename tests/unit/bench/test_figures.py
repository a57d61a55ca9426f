from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.bench.figures import freezes, latency, percentile


def test_percentiles_are_nearest_rank():
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert [percentile(values, p) for p in (0, 50, 80, 95, 100)] == [1, 3, 4, 5, 5]
    assert math.isnan(percentile([], 50))


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0, 100))
def test_a_percentile_is_one_of_the_values(values, p):
    assert percentile(values, p) in values


def test_latency_is_in_milliseconds():
    found = latency([0.010] * 95 + [0.200] * 5)
    assert (found.p50, found.p95, found.p99, found.max, found.samples) == (10, 10, 200, 200, 100)
    assert latency([]) is None


def test_an_even_stream_has_no_freeze():
    at_30 = [10 + n / 30 for n in range(30)]
    found = freezes(at_30, 10, 11, 30)
    assert found.count == 0
    assert found.longest_gap_ms == pytest.approx(1000 / 30, abs=0.2)


def test_a_gap_is_a_freeze_from_the_threshold_on():
    short = freezes([0.0, 0.18], 0, 0.2, 30)  # the threshold at 30 fps is 183 ms
    long = freezes([0.0, 0.19], 0, 0.2, 30)
    assert (short.count, long.count) == (0, 1)
    assert long.gaps == [(0.0, 190.0)]


def test_silence_at_the_edges_counts():
    found = freezes([5.0], 0, 10, 30)
    assert (found.count, found.total_ms, found.longest_gap_ms) == (2, 10_000, 5_000)
    assert freezes([], 0, 4, 30).longest_gap_ms == 4_000
