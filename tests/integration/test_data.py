"""A pipeline's data reaches the channels that subscribe, one message a frame, in order."""

from __future__ import annotations

from itertools import pairwise

from tests.integration.peers import Control, NumberedTrack
from tests.integration.test_offer import wait_for_state
from tests.integration.test_protocol_doc import DATA


def told(control):
    return [message for message in control.pushed if message["type"] == "data"]


async def session_of(http, client):
    return await (await http.get(f"/sessions/{client.session}")).json()


async def test_who_subscribes_gets_every_frame_in_order_and_others_get_nothing(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="test-telling")
    silent = peer(http)
    silent.control = Control(silent.pc.createDataChannel("control"))
    await silent.whep(client.session)
    await client.watcher_ready()
    await client.watcher.frames(5)
    assert told(client.control) == []
    reply = await client.control.ask(type="subscribe", data=True)
    assert reply == {"type": "subscribe", "id": 1, "data": True}
    seen_before, got_before = client.watcher.n_frames, len(told(client.control))
    await client.watcher.frames(40)
    messages = told(client.control)
    frames = client.watcher.n_frames - seen_before
    assert frames - 5 <= len(messages) - got_before  # a frame may be on its way, and data is faster
    assert all(m["stage"] == "main" and m["pipeline"] == "test-telling" for m in messages)
    assert set(messages[0]) == set(DATA)
    sequences = [m["sequence"] for m in messages]
    assert sequences == list(range(sequences[0], sequences[0] + len(messages)))
    numbers = [m["data"]["number"] for m in messages]
    assert all(a < b for a, b in pairwise(numbers)) and numbers[0] > 0
    assert {number for _, number in client.watcher.seen[seen_before + 5 :]} <= set(numbers)
    assert told(silent.control) == []


async def test_a_viewer_may_subscribe_and_stop(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="test-telling")
    viewer = peer(http)
    viewer.control = Control(viewer.pc.createDataChannel("control"))
    await viewer.whep(client.session)
    await viewer.watcher_ready()
    await viewer.control.ask(type="subscribe", data=True)
    await viewer.watcher.frames(10)
    assert len(told(viewer.control)) > 3
    await viewer.control.ask(type="subscribe", data=False)
    count = len(told(viewer.control))
    await viewer.watcher.frames(10)
    assert len(told(viewer.control)) == count
    assert (await session_of(http, client))["data"]["sent"] == count
    refused = await viewer.control.ask(type="subscribe", data="often")
    assert refused["error"]["code"] == "invalid_input"


async def test_too_much_data_is_dropped_and_counted_and_the_video_goes_on(server, peer):
    http = await server(media={"max_data_bytes": 1000})
    client = await peer(http).offer(
        NumberedTrack(), pipeline="test-telling", settings={"padding": 2000}
    )
    await client.watcher_ready()
    await client.control.ask(type="subscribe", data=True)
    await client.watcher.frames(10)
    assert told(client.control) == []
    counted = (await session_of(http, client))["data"]
    assert counted["too_large"] > 3 and counted["sent"] == 0
    await client.control.ask(type="settings", settings={"padding": 10})
    await client.watcher.frames(10)
    assert len(told(client.control)) > 3


async def test_data_that_is_no_json_shows_as_the_pipelines_error(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="test-telling")
    await client.watcher_ready()
    await client.control.ask(type="settings", settings={"wrong": True})
    failing = await wait_for_state(http, client.session, "failed")
    assert "JSON-ready" in failing["error"]
