from __future__ import annotations

from lightmill.media.congestion.serving import FIT_AGAIN_S, STARVED_S, MainServes


def test_a_smaller_picture_ends_the_service_at_once():
    serves = MainServes()
    assert serves.update(shrunk=False, starved=False, watched=True, now=0)
    assert not serves.update(shrunk=True, starved=False, watched=True, now=0.1)


def test_a_short_hunger_is_borne():
    serves = MainServes()
    assert serves.update(shrunk=False, starved=True, watched=True, now=0)
    assert serves.update(shrunk=False, starved=False, watched=True, now=STARVED_S - 0.01)
    assert serves.update(shrunk=False, starved=True, watched=True, now=STARVED_S)
    assert not serves.update(shrunk=False, starved=True, watched=True, now=2 * STARVED_S)


def test_it_serves_again_after_a_good_while_and_only_when_watched():
    serves = MainServes()
    serves.update(shrunk=True, starved=False, watched=True, now=0)
    assert not serves.update(shrunk=False, starved=False, watched=False, now=1)
    assert not serves.update(shrunk=False, starved=False, watched=False, now=100)
    assert not serves.update(shrunk=False, starved=False, watched=True, now=101)
    assert not serves.update(shrunk=True, starved=False, watched=True, now=102)
    assert not serves.update(shrunk=False, starved=False, watched=True, now=103)
    assert not serves.update(shrunk=False, starved=False, watched=True, now=103 + FIT_AGAIN_S - 1)
    assert serves.update(shrunk=False, starved=False, watched=True, now=103 + FIT_AGAIN_S)
