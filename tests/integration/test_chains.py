"""Chains with real peers: what they see while stages come, move and go."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.integration.peers import NumberedTrack


def step(label, **settings):
    return {"id": label, "pipeline": "test-step", "settings": {"label": label, **settings}}


def level(watcher) -> float:
    """The luma of the lower half's left bar, which is (200, 0, 0) as sent."""
    luma = watcher.last.to_ndarray(format="gray")
    return float(luma[180:220, 20:80].mean())


async def test_three_stages_and_a_move_while_live(http, peer):
    camera = NumberedTrack(30)
    client = await peer(http).offer(
        camera,
        session="chain",
        preprocessors=[step("a", offset=60)],
        pipeline="passthrough",
        postprocessors=[step("b", scale=0.25), step("c", offset=30)],
    )
    await client.watcher_ready()
    watcher = client.watcher
    # Red (200, 0, 0) + 60, / 4, + 30 is (94, 45, 45): gray 60.
    await watcher.until(lambda seen: abs(level(seen) - 60) < 6)
    reply = await client.control.ask(
        type="session",
        preprocessors=[{"id": "c", "pipeline": "test-step"}],
        postprocessors=[step("b"), step("a")],
    )
    session = reply["session"]
    assert [stage["id"] for stage in session["preprocessors"]] == ["c"]
    assert [stage["id"] for stage in session["postprocessors"]] == ["b", "a"]
    # (230, 30, 30) / 4 + 60 is (117, 67, 67): gray 82.
    await watcher.until(lambda seen: abs(level(seen) - 82) < 6)
    before = watcher.n_frames
    reply = await client.control.ask(type="settings", stage="a", settings={"offset": 0})
    assert reply["applied"] and reply["settings"]["offset"] == 0
    await watcher.until(lambda seen: level(seen) < 50)
    await watcher.frames(10)
    assert watcher.n_frames > before
    numbers = [number for _, number in watcher.seen]
    assert all(a < b for a, b in pairwise(numbers))


async def test_the_session_tells_of_every_stage(http, peer):
    client = await peer(http).offer(
        NumberedTrack(30), session="told", postprocessors=[{"pipeline": "color"}]
    )
    await client.watcher_ready()
    await client.watcher.frames(20)
    changed = await http.patch("/sessions/told/stages/color/settings", json={"contrast": 2})
    assert (await changed.json())["settings"]["contrast"] == 2
    session = await (await http.get("/sessions/told")).json()
    (stage,) = session["postprocessors"]
    assert stage.keys() == session["main"].keys()
    assert stage["active"] and stage["revision"] == 2 and stage["error"] is None
    for measured in stage["latency_ms"].values():
        assert 0 <= measured["p50"] <= measured["p95"]
    unknown = await http.patch("/sessions/told/stages/none/settings", json={})
    assert unknown.status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"postprocessors": [{"pipeline": "testcard"}]}, "postprocessors.0.pipeline"),
        ({"preprocessors": [{"pipeline": "gray", "x": 1}]}, "preprocessors.0.x"),
        ({"preprocessors": [{"pipeline": "gray", "id": "main"}]}, "preprocessors.0.id"),
        (
            {"preprocessors": [{"pipeline": "color", "settings": {"gamma": 99}}]},
            "preprocessors.0.settings.gamma",
        ),
        ({"postprocessors": "gray"}, "postprocessors"),
        ({"postprocessors": [{"pipeline": "gray"}] * 9}, "postprocessors"),
    ],
)
async def test_a_wrong_chain_is_refused_by_field(http, body, field):
    reply = await http.post("/sessions", json=body)
    error = (await reply.json())["error"]
    assert reply.status == 422, error
    assert field in [one["field"] for one in error["fields"]]


async def test_a_chain_lives_in_a_worker_too(server):
    http = await server(server={"workers": 1}, rtc={"udp_port": 0})
    reply = await http.post(
        "/sessions",
        json={"name": "far", "pipeline": "gray", "postprocessors": [{"pipeline": "color"}]},
    )
    assert reply.status == 201, await reply.text()
    changed = await http.patch("/sessions/far/stages/color/settings", json={"contrast": 2})
    assert (await changed.json())["applied"]
    reply = await http.patch("/sessions/far", json={"preprocessors": [{"pipeline": "edges"}]})
    session = await reply.json()
    assert [stage["id"] for stage in session["preprocessors"]] == ["edges"]
    assert session["postprocessors"][0]["settings"]["contrast"] == 2
    assert session["pipeline"] == "gray"
