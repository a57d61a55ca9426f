from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.netem import Direction, Impairment


def arrivals(impairment: Impairment, sizes: list[int], every_s: float) -> list[float | None]:
    direction = Direction(impairment, random.Random(7))
    return [direction.plan(size, index * every_s) for index, size in enumerate(sizes)]


def test_a_clean_link_only_delays():
    assert arrivals(Impairment(delay_ms=20), [1000] * 3, 0.01) == pytest.approx([0.02, 0.03, 0.04])


def test_a_slow_link_spaces_its_packets():
    assert arrivals(Impairment(rate_kbps=80), [1000] * 3, 0.0) == pytest.approx([0.1, 0.2, 0.3])


def test_a_full_queue_drops_and_counts():
    direction = Direction(Impairment(rate_kbps=80, queue_kbytes=2), random.Random(7))
    planned = [direction.plan(1000, 0.0) for _ in range(10)]
    assert [one is None for one in planned] == [False] * 3 + [True] * 7
    assert direction.counts["queue_full"] == 7


def test_loss_comes_near_its_percentage():
    direction = Direction(Impairment(loss_percent=5), random.Random(7))
    lost = sum(direction.plan(100, index / 100) is None for index in range(10_000))
    assert lost == direction.counts["lost"]
    assert 400 < lost < 600


@given(
    st.lists(st.integers(40, 1500), min_size=1, max_size=50),
    st.floats(0, 100),
    st.floats(0, 50),
    st.floats(100, 10_000),
)
def test_packets_never_overtake_each_other(sizes, delay_ms, jitter_ms, rate_kbps):
    link = Impairment(delay_ms=delay_ms, jitter_ms=jitter_ms, rate_kbps=rate_kbps, queue_kbytes=1e6)
    planned = arrivals(link, sizes, 0.001)
    assert planned == sorted(planned)
