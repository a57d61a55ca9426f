"""Presets over HTTP: saved from a session, loaded into one, imported, exported, by default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import load_config
from lightmill.errors import ConfigError
from tests.integration.peers import NumberedTrack
from tests.integration.test_offer import spread

OTHERS = {
    "lightmill_preset": 2,
    "name": "from afar",
    "made_by": "9.0.0",
    "mood": "blue",
    "chain": {"pipeline": "color", "settings": {"hue": 20, "sparkle": 1, "contrast": 99}},
}
SOFT = {"height": 512, "width": 512, "amount": 0.25}
LEFT_OUT = ["lightmill_preset", "mood", "chain.settings.sparkle", "chain.settings.contrast"]


def fields(body):
    return [entry["field"] for entry in body["left_out"]]


async def ok(reply):
    body = await reply.json()
    assert reply.status < 300, body
    return body


async def test_the_picture_comes_back(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color", session="show")
    await client.watcher_ready()
    saved = {"name": "my colours", "session": "show"}
    await ok(await http.post("/presets", json=saved))
    await client.watcher.until(lambda watcher: spread(watcher.last) > 40)
    await client.control.ask(type="settings", settings={"saturation": 0, "hue": 90})
    await client.watcher.until(lambda watcher: spread(watcher.last) < 12)
    loaded = await ok(await http.post("/sessions/show/preset", json={"name": "my colours"}))
    assert loaded["left_out"] == []
    assert (loaded["settings"]["saturation"], loaded["settings"]["hue"]) == (1, 0)
    await client.watcher.until(lambda watcher: spread(watcher.last) > 40)
    loaded = await ok(
        await http.post("/sessions/show/preset", json={"name": "gray:black-and-white"})
    )
    assert loaded["pipeline"] == "gray"
    await client.watcher.until(lambda watcher: spread(watcher.last) < 12)


async def test_stages_come_back_with_their_ids(http):
    stages = {
        "preprocessors": [{"id": "soft", "pipeline": "gray", "settings": {"amount": 0.25}}],
        "postprocessors": [{"id": "tail", "pipeline": "trails", "enabled": False}],
    }
    await ok(await http.post("/sessions", json={"name": "show", "pipeline": "color", **stages}))
    saved = await ok(await http.post("/presets", json={"name": "mine", "session": "show"}))
    assert saved["chain"]["preprocessors"] == [
        {"id": "soft", "pipeline": "gray", "settings": SOFT, "enabled": True}
    ]
    other = {"preprocessors": [], "postprocessors": [{"id": "soft", "pipeline": "edges"}]}
    await ok(await http.patch("/sessions/show", json=other))
    loaded = await ok(await http.post("/sessions/show/preset", json={"name": "mine"}))
    assert loaded["left_out"] == []
    before, after = loaded["preprocessors"][0], loaded["postprocessors"][0]
    assert (before["id"], before["pipeline"], before["settings"]) == ("soft", "gray", SOFT)
    assert (after["id"], after["pipeline"], after["enabled"]) == ("tail", "trails", False)
    made = await ok(await http.post("/sessions", json={"preset": "mine"}))
    assert made["preprocessors"][0]["settings"] == SOFT
    await ok(await http.post("/sessions/show/preset", json={"name": "color:vivid"}))
    assert (await ok(await http.get("/sessions/show")))["preprocessors"] == []


async def test_a_preset_replaces_settings_that_it_does_not_name(http):
    await ok(await http.post("/sessions", json={"name": "show", "preset": "color:dark-room"}))
    loaded = await ok(await http.post("/sessions/show/preset", json={"name": "color:vivid"}))
    assert (loaded["settings"]["gamma"], loaded["settings"]["saturation"]) == (1, 1.6)


async def test_one_of_another_version_loads_as_far_as_it_goes(http):
    await ok(await http.post("/sessions", json={"name": "show"}))
    imported = await http.put("/presets/from%20afar", json=OTHERS)
    assert imported.status == 201 and fields(await imported.json()) == LEFT_OUT
    assert (await http.put("/presets/from%20afar", json=OTHERS)).status == 200
    exported = await http.get("/presets/from%20afar")
    assert await exported.json() == OTHERS
    disposition = exported.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''from%20afar.json"
    for choice in ({"name": "from afar"}, {"preset": OTHERS}):
        loaded = await ok(await http.post("/sessions/show/preset", json=choice))
        assert fields(loaded) == LEFT_OUT
        assert (loaded["pipeline"], loaded["settings"]["hue"]) == ("color", 20)
    gone = {"lightmill_preset": 1, "chain": {"pipeline": "dreams", "settings": {"depth": 1}}}
    loaded = await ok(await http.post("/sessions/show/preset", json={"preset": gone}))
    assert fields(loaded) == ["chain.pipeline", "chain.settings"]
    assert loaded["pipeline"] == "color"


async def test_a_peers_own_session_starts_with_a_preset(http, peer):
    client = await peer(http).offer(NumberedTrack(), session="show", preset="gray:black-and-white")
    await client.watcher_ready()
    await client.watcher.until(lambda watcher: spread(watcher.last) < 12)
    session = await ok(await http.get("/sessions/show"))
    assert session["pipeline"] == "gray"


async def test_whip_takes_one_too(http, peer):
    await peer(http).whip("show", NumberedTrack(), "?preset=color:vivid")
    session = await ok(await http.get("/sessions/show"))
    assert (session["pipeline"], session["settings"]["saturation"]) == ("color", 1.6)


async def test_the_list_and_the_end_of_one(http):
    await ok(await http.post("/sessions", json={"name": "show", "pipeline": "gray"}))
    saved = {"name": "mine", "session": "show", "description": "quiet"}
    document = await ok(await http.post("/presets", json=saved))
    assert document["chain"]["settings"]["amount"] == 1
    listing = await ok(await http.get("/presets"))
    entries = {entry["name"]: entry for entry in listing["presets"]}
    assert listing["default"] is None and entries["color:vivid"]["built_in"]
    assert (entries["mine"]["pipeline"], entries["mine"]["description"]) == ("gray", "quiet")
    assert (await http.post("/presets", json=saved)).status == 409
    await ok(await http.post("/presets", json={**saved, "replace": True}))
    assert (await http.delete("/presets/mine")).status == 204
    assert (await http.delete("/presets/mine")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/sessions", {"preset": "color:vivid", "pipeline": "gray"}, 422, "pipeline"),
        ("POST", "/sessions", {"preset": "none"}, 404, None),
        ("POST", "/sessions", {"preset": "../x"}, 422, "name"),
        ("POST", "/sessions/show/preset", {}, 422, "name"),
        ("POST", "/sessions/show/preset", {"preset": {"chain": {}}}, 422, "lightmill_preset"),
        ("POST", "/sessions/none/preset", {"name": "color:vivid"}, 404, None),
        ("POST", "/presets", {"name": "a/b", "session": "show"}, 422, "name"),
        ("POST", "/presets", {"name": "a", "session": "none"}, 404, None),
        ("PUT", "/presets/color:vivid", OTHERS, 409, None),
        ("PUT", "/presets/x", {"lightmill_preset": 1}, 422, "chain"),
        ("DELETE", "/presets/color:vivid", None, 409, None),
        ("GET", "/presets/color:none", None, 404, None),
    ],
)
async def test_what_is_wrong_is_named(http, method, path, body, status, field):
    await ok(await http.post("/sessions", json={"name": "show"}))
    reply = await http.request(method, path, json=body)
    error = (await reply.json())["error"]
    assert reply.status == status, error
    assert [entry["field"] for entry in error["fields"]] == ([field] if field else [])


async def test_numbers_that_json_does_not_have_are_not_saved(http):
    text = json.dumps(OTHERS).replace("20", "1e999")
    reply = await http.put("/presets/x", data=text, headers={"Content-Type": "application/json"})
    assert reply.status == 422, await reply.text()


async def test_sessions_that_name_nothing_start_with_the_default(server, peer, tmp_path):
    path = tmp_path / "start.json"
    path.write_text(json.dumps(OTHERS))
    http = await server(session={"default_preset": str(path)})
    bare = await ok(await http.post("/sessions", json={"name": "bare"}))
    assert (bare["pipeline"], bare["settings"]["hue"]) == ("color", 20)
    more = await ok(await http.post("/sessions", json={"settings": {"gamma": 2}}))
    assert (more["settings"]["hue"], more["settings"]["gamma"]) == (20, 2)
    other = await ok(await http.post("/sessions", json={"pipeline": "gray"}))
    assert other["pipeline"] == "gray"
    await peer(http).offer(NumberedTrack(), session="mine")
    mine = await ok(await http.get("/sessions/mine"))
    assert (mine["pipeline"], mine["settings"]["hue"]) == ("color", 20)
    default = (await ok(await http.get("/presets")))["default"]
    assert default["name"] == str(path) and default["chain"]["settings"]["hue"] == 20


@pytest.mark.parametrize(
    ("default", "says"),
    [("none", "no preset 'none'"), ("color:none", "color:vivid"), ("/none.json", "no preset")],
)
async def test_a_default_that_is_not_there_stops_the_server(server, default, says):
    with pytest.raises(ConfigError, match=f"session.default_preset: .*{says}"):
        await server(session={"default_preset": default})


async def test_worker_processes_know_the_same(tmp_path: Path):
    flags = {
        "server": {"workers": 1},
        "presets": {"dir": str(tmp_path)},
        "session": {"default_preset": "gray:washed-out"},
    }
    async with TestClient(TestServer(create_app(load_config(environ={}, flags=flags)))) as http:
        first = await ok(await http.post("/sessions", json={"name": "show"}))
        assert first["settings"]["amount"] == 0.6
        await ok(await http.post("/presets", json={"name": "mine", "session": "show"}))
        assert (tmp_path / "mine.json").is_file()
        imported = await ok(await http.put("/presets/afar", json=OTHERS))
        assert fields(imported) == LEFT_OUT
        loaded = await ok(await http.post("/sessions/show/preset", json={"name": "afar"}))
        assert fields(loaded) == LEFT_OUT and loaded["pipeline"] == "color"
        loaded = await ok(await http.post("/sessions/show/preset", json={"name": "mine"}))
        assert (loaded["pipeline"], loaded["settings"]["amount"]) == ("gray", 0.6)
