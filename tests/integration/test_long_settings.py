"""A table in a setting is in force and told over HTTP, but never pushed over a channel."""

from __future__ import annotations

import random

from lightmill.session.brief import MAX_SETTING_CHARS
from tests.integration.peers import NumberedTrack


def table():
    level = random.Random(1)
    points = (
        f"{level.random():.3f} {level.random():.3f} {level.random():.3f}" for _ in range(17**3)
    )
    return "\n".join(["LUT_3D_SIZE 17", *points])


async def test_a_long_setting_is_named_over_the_channel_and_shown_by_http(http, peer):
    client = await peer(http).offer(NumberedTrack())
    await client.watcher_ready()
    stage = {"id": "film", "pipeline": "grade", "settings": {"cube": table(), "lift": 0.1}}
    reply = await client.control.ask(type="session", postprocessors=[stage])
    (told,) = reply["session"]["postprocessors"]
    assert told["omitted"] == ["cube"] and "cube" not in told["settings"]
    assert told["settings"]["lift"] == 0.1
    reply = await client.control.ask(type="settings", stage="film", settings={"lift": 0.2})
    assert reply["omitted"] == ["cube"] and reply["settings"]["lift"] == 0.2
    whole = await (await http.get(f"/sessions/{client.session}")).json()
    assert len(whole["postprocessors"][0]["settings"]["cube"]) > MAX_SETTING_CHARS
    assert "omitted" not in whole["postprocessors"][0]
    stages = [stage for state in client.control.states for stage in state["postprocessors"]]
    assert stages and all("cube" not in stage["settings"] for stage in stages)
