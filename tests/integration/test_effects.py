"""Classic effects in a live session: what a viewer gets, and what a setting may hold."""

from __future__ import annotations

import pytest

from tests.integration.peers import NumberedTrack
from tests.unit.pipelines.effects.test_cube import cube_text


def levels(frame):
    return frame.to_ndarray(format="rgb24").reshape(-1, 3).astype(int)


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_cube_file_of_33_points_reaches_the_pixels(server, peer, workers):
    http = await server(server={"workers": workers})
    client = await peer(http).offer(NumberedTrack(), pipeline="grade", session="graded")
    await client.watcher_ready()
    await client.watcher.frames(5)
    text = cube_text(lambda r, g, b: (0, 0, (r + g + b) / 3), 33)
    url = "/sessions/graded/settings"
    answer = await http.patch(url, json={"look": "none", "cube": text})
    reply = await answer.json()
    assert answer.status == 200 and reply["applied"], reply
    assert len(reply["settings"]["cube"]) < 24_000
    await client.watcher.until(lambda watcher: levels(watcher.last)[:, 0].mean() < 12)
    assert levels(client.watcher.last)[:, 2].mean() > 35
    refused = await http.patch(url, json={"cube": text.replace("LUT_3D_SIZE 33", "LUT_3D_SIZE 32")})
    (field,) = (await refused.json())["error"]["fields"]
    assert refused.status == 422 and field["field"] == "cube"
    assert "32768 points" in field["message"]


async def test_interpolation_gives_viewers_twice_the_frames(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="interpolate", session="smooth")
    await client.watcher_ready()
    await client.watcher.frames(60)
    session = await (await http.get("/sessions/smooth")).json()
    taken = session["input"]["frames"] - session["input"]["dropped"]
    assert session["output"]["frames"] > 1.5 * taken
