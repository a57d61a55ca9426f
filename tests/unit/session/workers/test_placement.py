from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.session.workers.placement import (
    LONGEST_DELAY_S,
    Load,
    least_loaded,
    restart_delay_s,
)


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        ([], None),
        ([Load(0, 0.9, n_peers=1), Load(1, 0.2, n_peers=9)], 1),
        ([Load(0, 0.22, n_peers=3), Load(1, 0.18, n_peers=4)], 0),  # equal but for noise
        ([Load(0, n_peers=2, n_sessions=2), Load(1, n_peers=2, n_sessions=1)], 1),
        ([Load(0), Load(1)], 0),
        ([Load(0, 0.1, n_unmeasured=3), Load(1, 0.3)], 1),
    ],
)
def test_cpu_then_peers_then_sessions_decide(loads, chosen):
    assert least_loaded(loads) == chosen


@given(st.integers(1, 8), st.integers(0, 40))
def test_a_burst_of_sessions_is_spread_before_any_cpu_is_measured(n_workers, n_sessions):
    placed = [0] * n_workers
    for _ in range(n_sessions):
        loads = [Load(i, 0.0, n, n_sessions=n) for i, n in enumerate(placed)]
        placed[least_loaded(loads)] += 1
    assert max(placed) - min(placed) <= 1


def test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly():
    delays = [restart_delay_s(n) for n in range(100)]
    assert delays[:4] == [0, 0.5, 1, 2]
    assert delays == sorted(delays) and delays[-1] == LONGEST_DELAY_S
