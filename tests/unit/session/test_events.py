from __future__ import annotations

import asyncio

import pytest

from lightmill.errors import Closed, LimitReached
from lightmill.session import events
from lightmill.session.events import EventHub, SessionEvent


async def test_a_slow_subscriber_gets_the_newest_state_and_then_the_end():
    hub = EventHub()
    stream, other = hub.subscribe("show"), hub.subscribe("other")
    for revision in range(5):
        hub.show("show", {"revision": revision})
    hub.end("show", "idle")
    hub.end("show", "again")
    assert await stream.next() == SessionEvent("state", {"revision": 4})
    assert await stream.next() == SessionEvent("ended", {"reason": "idle", "code": "ended"})
    with pytest.raises(Closed):
        await stream.next()
    other.show({"revision": 0})
    assert (await other.next()).body == {"revision": 0}


async def test_what_waits_is_woken_by_a_state_and_by_close():
    stream = EventHub().subscribe("show")
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    stream.show({"revision": 1})
    assert (await waiting).kind == "state"
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    stream.close()
    with pytest.raises(Closed):
        await waiting


async def test_the_last_subscriber_that_leaves_is_told_once():
    unused: list[str] = []
    hub = EventHub(unused.append)
    first, second = hub.subscribe("show"), hub.subscribe("show")
    first.close()
    first.close()
    assert unused == []
    second.close()
    assert unused == ["show"]
    ended = hub.subscribe("show")
    hub.end("show", "idle")
    ended.close()
    assert unused == ["show"]  # the session is gone, so nobody need stop telling its states


async def test_subscribers_are_bounded(monkeypatch):
    monkeypatch.setattr(events, "MAX_SUBSCRIBERS", 2)
    hub = EventHub()
    stream = hub.subscribe("show")
    hub.subscribe("show")
    with pytest.raises(LimitReached):
        hub.subscribe("show")
    stream.close()
    hub.subscribe("show")


async def test_a_state_that_was_asked_for_does_not_hide_a_newer_one():
    stream = EventHub().subscribe("show")
    stream.show({"revision": 2})
    stream.introduce({"revision": 1})
    assert (await stream.next()).body == {"revision": 2}
    other = EventHub().subscribe("show")
    other.introduce({"revision": 1})
    assert (await other.next()).body == {"revision": 1}
