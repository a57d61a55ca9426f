"""Keyboard and mouse reach a pipeline that declares them, and plug-ins' settings stay typed."""

from __future__ import annotations

import asyncio

from tests.integration.peers import NumberedTrack
from tests.integration.pipelines import Player


async def test_keys_persist_and_mouse_movement_is_summed_once(http, peer):
    Player.inputs.clear()
    client = await peer(http).offer(NumberedTrack(), pipeline="test-player")
    await client.watcher_ready()
    await client.watcher.frames(3)
    for _ in range(10):
        client.control.post({"type": "controls", "keys": ["KeyW"], "mouse": [3, -1]})
    await client.watcher.frames(10)
    taken = list(Player.inputs)
    assert sum(controls.mouse[0] for controls in taken) == 30
    assert sum(controls.mouse[1] for controls in taken) == -10
    assert taken[-1].button == {"KeyW"} and taken[-1].mouse == (0, 0)
    client.control.post({"type": "controls", "keys": [], "mouse": [0, 0]})
    await client.watcher.frames(5)
    assert Player.inputs[-1].button == set()
    listed = await (await http.get("/pipelines/test-player")).json()
    assert listed["supports_controls"]
    assert "ctrl_input" not in listed["config_schema"]["properties"]


async def test_sessions_share_components_and_free_them(http, peer):
    Player.loads.clear()
    one = await peer(http).offer(NumberedTrack(), pipeline="test-player")
    two = await peer(http).offer(NumberedTrack(), pipeline="test-player")
    assert len(Player.loads) == 1
    await one.delete()
    three = await peer(http).offer(NumberedTrack(), pipeline="test-player")
    assert len(Player.loads) == 1
    await two.delete()
    await three.delete()
    async with asyncio.timeout(5):
        while (await (await http.get("/sessions")).json())["sessions"]:
            await asyncio.sleep(0.02)
    await peer(http).offer(NumberedTrack(), pipeline="test-player")
    assert len(Player.loads) == 2
