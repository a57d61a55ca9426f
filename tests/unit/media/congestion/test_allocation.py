from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.congestion.allocation import Allocation, Division

FLOOR, IDLE = 250_000, 1_500_000


def settle(allocation: Allocation[str], targets: dict[str, int], start: float, seconds: float):
    division: Division[str] | None = None
    for step in range(round(seconds * 10) + 1):
        division = allocation.divide(targets, start + step / 10)
    assert division is not None
    return division


def test_nobody_and_one_viewer():
    allocation = Allocation[str](FLOOR, IDLE)
    assert allocation.divide({}, 0.0) == Division(IDLE, None, frozenset())
    assert settle(allocation, {"a": 100_000}, 0.0, 60) == Division(FLOOR, None, frozenset())


def test_the_lowest_of_those_that_are_close_drives_the_main_rendition():
    division = settle(Allocation(FLOOR, IDLE), {"a": 4_000_000, "b": 2_500_000}, 0.0, 60)
    assert division == Division(2_500_000, None, frozenset())


def test_far_below_leaves_at_once_and_comes_back_late():
    allocation = Allocation[str](FLOOR, IDLE)
    division = allocation.divide({"a": 4_000_000, "b": 400_000}, 0.0)
    assert division == Division(4_000_000, 400_000, frozenset({"b"}))
    back = {"a": 4_000_000, "b": 2_700_000}
    assert settle(allocation, back, 1.0, 4).low_viewers == {"b"}
    assert settle(allocation, {**back, "b": 2_400_000}, 6.0, 1).low_viewers == {"b"}
    assert settle(allocation, back, 8.0, 5.2) == Division(2_700_000, None, frozenset())


def test_somewhat_below_leaves_after_a_while():
    allocation = Allocation[str](FLOOR, IDLE)
    targets = {"a": 4_000_000, "b": 1_600_000, "c": 3_900_000}
    assert settle(allocation, targets, 0.0, 1.5) == Division(1_600_000, None, frozenset())
    assert settle(allocation, targets, 1.6, 1.0).low_viewers == {"b"}


def test_the_low_rendition_takes_at_most_half_and_ends_with_its_last_viewer():
    allocation = Allocation[str](FLOOR, IDLE)
    settle(allocation, {"a": 4_000_000, "b": 400_000}, 0.0, 1)
    assert allocation.divide({"a": 4_000_000, "b": 2_200_000}, 2.0).low_bps == 2_000_000
    assert allocation.divide({"a": 4_000_000}, 3.0) == Division(4_000_000, None, frozenset())


def test_when_the_main_viewers_leave_the_low_ones_are_the_main_ones():
    allocation = Allocation[str](FLOOR, IDLE)
    settle(allocation, {"a": 4_000_000, "b": 400_000, "c": 500_000}, 0.0, 3)
    division = allocation.divide({"b": 400_000, "c": 500_000}, 4.0)
    assert division == Division(400_000, None, frozenset())


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcde"), st.integers(0, 9_000_000)),
        min_size=1,
        max_size=30,
    )
)
def test_always_somebody_in_the_main_rendition_and_never_below_the_floor(
    rounds: list[dict[str, int]],
):
    allocation = Allocation[str](FLOOR, IDLE)
    for number, targets in enumerate(rounds):
        division = allocation.divide(targets, number * 0.7)
        assert division.low_viewers <= targets.keys()
        assert not targets or division.low_viewers < targets.keys()
        assert division.main_bps >= FLOOR
        assert (division.low_bps is None) is (not division.low_viewers)
        assert division.low_bps is None or division.low_bps >= FLOOR
