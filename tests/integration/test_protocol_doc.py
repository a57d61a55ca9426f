"""`docs/protocol.md` against the server: its shapes, its routes, its messages."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.integration.peers import NumberedTrack
from tests.integration.test_offer import wait_for_state

DOCUMENT = (Path(__file__).parents[2] / "docs/protocol.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)]
ERROR, PIPELINE, SESSION, PRESET, DATA = BLOCKS


def keys(value: object) -> object:
    """The shape of a JSON value: its keys, two levels deep where the document fixes them."""
    if not isinstance(value, dict):
        return None
    return {
        key: keys(inner)
        for key, inner in value.items()
        if key not in ("settings", "modes", "presets", "config_schema")
    }


async def test_the_shapes_are_as_documented(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color", session="my-show")
    await peer(http).whep("my-show")
    await client.watcher_ready()
    await client.watcher.frames(30)
    session = await wait_for_state(http, "my-show", "live")
    assert keys(session) == keys(SESSION)
    pipeline = await (await http.get("/pipelines/color")).json()
    assert keys(pipeline) == keys(PIPELINE)
    saved = await http.post("/presets", json={"name": PRESET["name"], "session": "my-show"})
    assert keys(await saved.json()) == keys(PRESET)
    assert (await http.put("/presets/mine", json=PRESET)).status == 201
    assert (await (await http.get("/presets/mine/chain")).json())["left_out"] == []
    listing = await (await http.get("/pipelines")).json()
    assert set(listing) == {"default", "pipelines", "failed_plugins"}
    refused = await http.patch("/sessions/my-show/settings", json={"gamma": 99})
    error = await refused.json()
    assert keys(error) == keys(ERROR)
    assert set(error["error"]["fields"][0]) == set(ERROR["error"]["fields"][0])


async def test_every_documented_route_exists(http):
    routes = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.-]*)", DOCUMENT))
    assert len(routes) > 12
    for method, path in routes:
        concrete = re.sub(r"\{\w+\}|PEER", "x", path)
        reply = await http.request(method, concrete, json={} if method == "PATCH" else None)
        body = await reply.text()
        assert reply.status != 405, (method, path)
        assert reply.status != 404 or "no " in body, (method, path, body)


async def test_the_documented_messages(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color")
    assert set(await client.control.ask(type="ping")) == {"type", "id"}
    reply = await client.control.ask(type="settings", settings={"contrast": 2})
    assert set(reply) == {"type", "id", "settings", "revision", "applied"}
    reply = await client.control.ask(type="session", pipeline="gray")
    assert set(reply) == {"type", "id", "session"}
    client.control.post({"type": "controls", "keys": ["KeyW"], "mouse": [3, -1]})
    assert (await client.control.ask(type="dance"))["type"] == "error"
    assert client.control.states
