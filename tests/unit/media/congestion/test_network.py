"""The whole loop over a modelled network: the bars of a viewer's and a publisher's congestion."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.unit.media.congestion.network_model import World

RECEIVERS = ["aiortc", "chrome", "ours"]
QUEUES = [30_000, 64_000]


def targets(world: World, start: float, end: float) -> list[int]:
    return [bps for at, bps in world.sender.targets if start <= at < end]


@pytest.mark.parametrize("estimator", RECEIVERS)
def test_a_steady_link_is_filled_without_swinging(estimator: str):
    world = World(estimator)
    world.run(60)
    assert min(targets(world, 20, 60)) > 0.7 * 3.7e6
    assert max(targets(world, 20, 60)) < 1.3 * 3.7e6
    assert 3.2e6 < world.received_bps(20, 60) < 4e6
    assert world.fps(5, 60) > 29 and world.longest_gap_s(5, 60) < 0.3


@pytest.mark.parametrize("queue_bytes", QUEUES)
@pytest.mark.parametrize("estimator", RECEIVERS)
def test_a_minute_at_300_kbit_and_back(estimator: str, queue_bytes: int):
    world = World(estimator, queue_bytes=queue_bytes)
    world.run(30)
    before = world.received_bps(20, 30)
    world.link.rate_bps = 3e5
    world.run(60)
    world.link.rate_bps = 4e6
    world.run(30)
    assert world.longest_gap_s(30, 120) <= 1.0
    assert world.fps(40, 90) >= 15
    assert 0.75 * 3e5 < world.sent_bps(45, 90) < 3e5 * 1.02
    assert {height for at, height, _ in world.sender.sizes if 35 < at < 90} == {360}
    assert world.sender.sizes[-1][1] == 720
    back = world.reaches_s(0.8 * before, 90)
    assert back is not None and back <= 15


@pytest.mark.parametrize("estimator", ["none", *RECEIVERS])
def test_random_loss_does_not_reduce_the_rate(estimator: str):
    world = World(estimator, rate_bps=20e6, queue_bytes=128_000, loss=0.05)
    world.run(40)
    assert world.sent_bps(15, 40) > 0.6 * 8e6
    assert world.fps(5, 40) > 25 and world.longest_gap_s(5, 40) < 0.7


def test_a_viewer_without_remb_is_held_by_its_reports():
    world = World("none")
    world.run(30)
    world.link.rate_bps = 3e5
    world.run(40)
    world.link.rate_bps = 4e6
    world.run(20)
    assert 0.7 * 3e5 < world.sent_bps(45, 70) < 3e5 * 1.05
    assert world.received_bps(85, 90) > 0.7 * 4e6


def test_growth_on_a_free_path_and_its_ceiling():
    world = World(rate_bps=20e6, queue_bytes=128_000)
    world.run(20)
    reached = world.reaches_s(0.8 * 8e6, 0)
    assert reached is not None and reached < 10
    assert max(targets(world, 0, 20)) == 8_000_000


def test_a_halved_link_costs_no_stall():
    world = World()
    world.run(30)
    world.link.rate_bps = 2e6
    world.run(30)
    assert world.longest_gap_s(30, 60) < 0.5
    assert 1.5e6 < world.sent_bps(40, 60) < 2e6


@pytest.mark.parametrize("estimator", RECEIVERS)
def test_a_still_picture_keeps_its_target(estimator: str):
    world = World(estimator, need_bps=300_000)
    world.run(30)
    assert min(targets(world, 0, 30)) == 1_500_000


def test_repeats_never_fill_the_link():
    world = World(rate_bps=1e6, queue_bytes=10_000)
    world.run(30)
    assert max(world.sent_bps(at, at + 1) for at in range(3, 29)) < 2e6


@pytest.mark.parametrize("queue_bytes", QUEUES)
def test_a_publisher_that_obeys_our_remb(queue_bytes: int):
    world = World("ours", queue_bytes=queue_bytes, obeys=True)
    world.run(30)
    before = world.received_bps(20, 30)
    assert before > 0.75 * 4e6
    world.link.rate_bps = 3e5
    world.run(60)
    world.link.rate_bps = 4e6
    world.run(20)
    assert max(targets(world, 50, 90)) < 1.5 * 3e5
    back = world.reaches_s(0.8 * before, 90)
    assert back is not None and back <= 15


def test_our_remb_comes_in_time():
    world = World("ours")
    world.run(20)
    times = [at for at, _ in world.receiver.rembs]
    assert max(b - a for a, b in pairwise(times)) < 1.0
