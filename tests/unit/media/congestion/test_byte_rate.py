from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.congestion.byte_rate import ByteRate


def test_a_steady_stream_and_its_end():
    rate = ByteRate(1.0)
    for index in range(200):
        rate.add(1000, index * 0.01)
    assert rate.bps(2.0) == pytest.approx(800_000, rel=0.12)
    assert rate.bps(4.0) == 0


def test_nothing_and_a_young_meter():
    rate = ByteRate(1.0)
    assert rate.bps(5.0) == 0
    rate.add(500, 5.0)
    assert rate.bps(5.0) == 8000  # half a window at least: one packet is no rate


@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 1500)), max_size=60))
def test_never_more_than_what_came_in_the_window(steps: list[tuple[float, int]]):
    rate, now, came = ByteRate(0.5), 0.0, []
    for step, size in steps:
        now += step
        rate.add(size, now)
        came.append((now, size))
        # A bucket counts from its first packet on and leaves as a whole.
        inside = sum(size for at, size in came if at >= now - 0.55)
        assert 0 <= rate.bps(now) <= inside * 8 / 0.25 + 1e-6
