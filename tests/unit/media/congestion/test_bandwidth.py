from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.config import MediaConfig
from lightmill.media.congestion.bandwidth import ReceiveEstimator

CONFIG = MediaConfig()


class Publisher:
    """Frames of ``bps`` / 30 at 30 fps through a link of ``link_bps``; feeds an estimator."""

    def __init__(self, *, timed: bool = True, seed: int = 1, drift: float = 0.0) -> None:
        self.estimator = ReceiveEstimator(CONFIG)
        self.link_bps, self.loss, self.jitter_s = 20e6, 0.0, 0.0
        self.rembs: list[tuple[float, int]] = []
        self.now = 60.0  # the 24-bit clock wraps soon
        self._timed, self._drift = timed, drift
        self._busy = 0.0
        self._frame = 0
        self._random = random.Random(seed)

    def run(self, seconds: float, bps: Callable[[], float] | float, burst: bool = False) -> int:
        for _ in range(round(seconds * 30)):
            rate = bps() if callable(bps) else bps
            self._send(rate / 30 / 8, burst)
        return self.estimator.estimate_bps

    def obey(self) -> float:
        return self.estimator.estimate_bps

    def _send(self, size: float, burst: bool) -> None:
        count = max(1, -(-round(size) // 1200))
        for index in range(count):
            sent = self.now + (0 if burst else index / count * 0.025)
            self._busy = max(self._busy, sent) + size / count * 8 / self.link_bps
            arrival = self._busy + 0.02 + self._random.uniform(0, self.jitter_s)
            if self._random.random() < self.loss:
                continue
            clock = sent * (1 + self._drift)
            stamp = round(clock * (1 << 18)) & 0xFFFFFF if self._timed else None
            timestamp = round(self.now * (1 + self._drift) * 90_000) & 0xFFFFFFFF
            self.estimator.on_packet(arrival, round(size / count), timestamp, stamp)
            remb = self.estimator.remb(arrival)
            if remb is not None:
                self.rembs.append((arrival, remb))
        self._frame += 1
        self.now += 1 / 30


@pytest.mark.parametrize("timed", [True, False])
def test_a_free_path_grows_to_the_maximum_and_over_the_wraps(timed: bool):
    publisher = Publisher(timed=timed)
    assert publisher.run(12, publisher.obey) == CONFIG.max_bitrate_bps
    assert publisher.run(60, publisher.obey) == CONFIG.max_bitrate_bps


@pytest.mark.parametrize("timed", [True, False])
def test_a_narrow_path_is_found_and_kept(timed: bool):
    publisher = Publisher(timed=timed)
    publisher.link_bps = 3e6
    publisher.run(20, publisher.obey)
    seen = [publisher.run(0.5, publisher.obey) for _ in range(60)]
    assert 2.0e6 < min(seen) and max(seen) < 3.6e6
    assert 2.4e6 < sum(seen) / len(seen) < 3.1e6


@pytest.mark.parametrize("burst", [False, True])
def test_a_collapse_is_reported_at_once_and_forgotten_quickly(burst: bool):
    publisher = Publisher()
    publisher.link_bps = 4e6
    publisher.run(20, publisher.obey, burst)
    fell_at, publisher.link_bps = publisher.now, 3e5
    publisher.run(60, publisher.obey, burst)
    first = next(at for at, bps in publisher.rembs if at > fell_at and bps < 1.5e6)
    assert first - fell_at < 1.0
    late = [bps for at, bps in publisher.rembs if fell_at + 20 < at < fell_at + 60]
    assert max(late) < 420_000
    publisher.link_bps = 4e6
    publisher.run(15, publisher.obey, burst)
    assert publisher.estimator.estimate_bps > 0.8 * 3.3e6


def test_random_loss_and_jitter_change_nothing():
    publisher = Publisher()
    publisher.loss, publisher.jitter_s = 0.05, 0.01
    assert publisher.run(30, publisher.obey) > 0.8 * CONFIG.max_bitrate_bps


def test_heavy_loss_reduces():
    publisher = Publisher()
    before = publisher.run(10, 2e6)
    publisher.estimator.on_loss(0.05, publisher.now)
    assert publisher.estimator.estimate_bps == before
    publisher.estimator.on_loss(0.3, publisher.now)
    assert publisher.estimator.estimate_bps < 1.9e6


def test_a_sender_that_sends_little_is_not_held_down():
    publisher = Publisher()
    publisher.run(10, publisher.obey)
    publisher.run(2, 100_000)
    before = publisher.estimator.estimate_bps
    publisher.jitter_s = 0.03
    assert publisher.run(60, 100_000) == before


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_a_drifting_clock_is_no_queue(drift: float):
    publisher = Publisher(drift=drift)
    assert publisher.run(120, publisher.obey) == CONFIG.max_bitrate_bps


def test_keyframes_are_no_queue():
    publisher = Publisher()
    publisher.link_bps = 6e6
    publisher.run(5, 2e6)
    for _ in range(10):
        publisher.run(1, 2e6)
        publisher.run(1 / 30, 16e6, burst=True)
    assert publisher.estimator.estimate_bps > 1.9e6


def test_a_pause_and_an_endless_gap_are_survived():
    publisher = Publisher()
    publisher.run(5, publisher.obey)
    before = publisher.estimator.estimate_bps
    publisher.now += 45  # more than half of the 24-bit clock
    assert publisher.run(2, publisher.obey) >= before


def test_remb_comes_at_once_then_twice_a_second():
    publisher = Publisher()
    publisher.run(10, 1e6)
    assert publisher.rembs[0][1] == CONFIG.start_bitrate_bps
    assert 18 <= len(publisher.rembs) <= 22


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3),
            st.integers(0, 1500),
            st.integers(0, (1 << 32) - 1),
            st.one_of(st.none(), st.integers(0, (1 << 24) - 1)),
        ),
        max_size=80,
    )
)
def test_no_packet_breaks_it_and_the_limits_hold(packets: list[tuple[float, int, int, int | None]]):
    estimator, now = ReceiveEstimator(CONFIG), 0.0
    for step, size, timestamp, stamp in packets:
        now += step
        estimator.on_packet(now, size, timestamp, stamp)
        remb = estimator.remb(now)
        assert remb is None or 100_000 < remb <= CONFIG.max_bitrate_bps
