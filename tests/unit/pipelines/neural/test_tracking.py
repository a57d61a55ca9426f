"""Following: when the detector runs, who keeps an id, who is dropped."""

from __future__ import annotations

import numpy as np

from lightmill.pipelines.neural.region import Region
from lightmill.pipelines.neural.tracking import Sighting, Tracker

PICTURE = np.zeros((10, 10, 3), np.uint8)


class World:
    """Things at places, each as sure as it is; the detector and the network see exactly these."""

    def __init__(self, **things):
        self.things = things  # name -> (x, score)
        self.detections = 0

    def detect(self, picture):
        self.detections += 1
        return [Region(x, 0, 20) for x, _ in self.things.values()]

    def look(self, picture, region):
        for x, score in self.things.values():
            if abs(region.x - x) < 10:
                return Sighting(np.full((2, 3), x), score, Region(x, 0, 20))
        return None


def tracker(world, every=5, sure=0.0):
    follow = Tracker(world.detect, world.look, every, sure)
    return lambda most=1: {t.id: t.region.x for t in follow(PICTURE, most, 1.0, 0.0)}


def test_the_detector_rests_while_all_are_followed():
    world = World(a=(100, 1))
    step = tracker(world)
    assert [step() for _ in range(20)] == [{1: 100}] * 20
    assert world.detections == 1


def test_a_moving_thing_keeps_its_id_and_a_lost_one_gets_a_new_one():
    world = World(a=(100, 1))
    step = tracker(world)
    for x in (100, 106, 112, 118):
        world.things["a"] = (x, 1)
        assert step() == {1: x}
    world.things = {}
    assert step() == {} and step() == {}
    assert world.detections == 3
    world.things = {"a": (100, 1)}
    assert step() == {2: 100}


def test_with_room_for_more_the_detector_looks_now_and_then():
    world = World(a=(100, 1))
    step = tracker(world)
    for _ in range(10):
        step(2)
    assert world.detections == 2
    world.things["b"] = (200, 1)
    assert [len(step(2)) for _ in range(6)][-1] == 2
    assert len(step(1)) == 1


def test_two_tracks_on_one_thing_become_one():
    world = World(a=(100, 1), b=(130, 1))
    step = tracker(world)
    assert len(step(2)) == 2
    world.things = {"a": (108, 1), "b": (122, 1)}
    step(2)
    world.things = {"a": (115, 1)}
    assert step(2) == {1: 115}


def test_a_doubtful_find_gives_way_to_a_surer_one_only():
    world = World(van=(100, 0.8))
    step = tracker(world, every=3, sure=0.99)
    assert step() == {1: 100}
    world.things["shadow"] = (200, 0.6)
    assert [step() for _ in range(5)][-1] == {1: 100}
    world.things["person"] = (300, 1.0)
    del world.things["shadow"]
    assert [step() for _ in range(5)][-1] == {2: 300}
