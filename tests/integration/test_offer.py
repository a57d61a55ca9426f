"""A camera goes in, the processed picture comes out: pixels, order, live changes."""

from __future__ import annotations

import asyncio
import io
import json
from time import monotonic

import av
import numpy as np
import pytest
from aiortc import VideoStreamTrack

from tests.integration.peers import NumberedTrack, numbered_picture, read_number
from tests.integration.pipelines import Counter


def error_of(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


async def test_passthrough_returns_the_picture_in_order(http, peer):
    camera = NumberedTrack()
    client = await peer(http).offer(camera, pipeline="passthrough")
    await client.watcher_ready()
    await client.watcher.frames(60)
    numbers = [number for _, number in client.watcher.seen]
    assert numbers == sorted(numbers)
    last = client.watcher.last
    assert error_of(last.to_ndarray(format="rgb24"), numbered_picture(read_number(last))) < 12


async def test_a_setting_changes_the_pixels(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color")
    await client.watcher_ready()
    await client.watcher.frames(10)
    reply = await client.control.ask(type="settings", settings={"saturation": 0})
    assert reply["type"] == "settings" and reply["applied"]
    assert reply["settings"]["saturation"] == 0
    await client.watcher.until(lambda watcher: spread(watcher.last) < 12)


def spread(frame) -> float:
    """How far the channels of the colour bars are apart."""
    picture = frame.to_ndarray(format="rgb24")[frame.height * 3 // 4].astype(int)
    return float((picture.max(-1) - picture.min(-1)).mean())


async def test_refused_settings_change_nothing(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color", session="steady")
    reply = await client.control.ask(type="settings", settings={"contrast": 99, "hue": 10})
    assert reply["error"]["code"] == "invalid_settings"
    assert [field["field"] for field in reply["error"]["fields"]] == ["contrast"]
    answer = await http.patch("/sessions/steady/settings", json={"colour": 1})
    assert answer.status == 422
    assert (await answer.json())["error"]["fields"][0]["field"] == "colour"
    session = await (await http.get("/sessions/steady")).json()
    assert session["settings"]["hue"] == 0 and session["revision"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"type": "dance"}',
        '{"type": "settings"}',
        '{"type": "ping", "x": 1}',
    ],
)
async def test_a_wrong_message_gets_an_error_and_the_channel_lives(http, peer, text):
    client = await peer(http).offer(NumberedTrack())
    assert (await client.control.ask(type="ping"))["type"] == "pong"
    client.control.send_raw(text)
    assert (await client.control.ask(type="ping"))["type"] == "pong"
    assert client.control.pushed[0]["error"]["code"] == "invalid_input"


async def test_the_pipeline_is_switched_without_renegotiation(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="passthrough")
    await client.watcher_ready()
    await client.watcher.frames(5)
    reply = await client.control.ask(type="session", pipeline="gray", settings={"amount": 1})
    assert reply["session"]["pipeline"] == "gray"
    await client.watcher.until(lambda watcher: spread(watcher.last) < 12)
    refused = await client.control.ask(type="session", pipeline="no-such")
    assert refused["error"]["code"] == "pipeline_not_found"
    await client.watcher.frames(5)


async def test_the_mode_is_switched_while_streaming(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="test-counter", mode="video")
    await client.watcher_ready()
    await client.watcher.until(lambda watcher: spread(watcher.last) > 60)
    await client.control.ask(type="session", mode="text", settings={"shade": 200})
    await client.watcher.until(lambda watcher: abs(mean(watcher.last) - 200) < 6)
    await client.control.ask(type="session", mode="video")
    await client.watcher.until(lambda watcher: spread(watcher.last) > 60)


def mean(frame) -> float:
    return float(frame.to_ndarray(format="rgb24").mean())


async def test_text_mode_shows_a_change_in_the_next_chunk(http, peer):
    client = await peer(http).offer(None, pipeline="test-counter", numbered=False)
    await client.watcher_ready()
    await client.watcher.frames(10)
    before = len(Counter.calls)
    await client.control.ask(type="settings", settings={"shade": 120})
    after = len(Counter.calls)
    assert after - before <= 3
    await client.watcher.frames(5)
    assert set(Counter.calls[after + 1 :]) == {120}


async def test_text_mode_generates_nothing_that_nobody_sees(http, peer):
    reply = await http.post("/sessions", json={"name": "unseen", "pipeline": "test-counter"})
    assert reply.status == 201
    Counter.calls.clear()
    await asyncio.sleep(0.3)
    assert Counter.calls == []
    assert (await reply.json())["state"] == "paused"
    viewer = await peer(http).whep("unseen", numbered=False)
    await viewer.watcher_ready()
    await viewer.watcher.frames(10)
    assert len(Counter.calls) <= viewer.watcher.n_frames + 15
    await viewer.delete()
    await asyncio.sleep(0.1)
    count = len(Counter.calls)
    await asyncio.sleep(0.3)
    assert len(Counter.calls) == count
    assert (await http.delete("/sessions/unseen")).status == 204


async def test_a_failing_pipeline_is_reported_and_recovers(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="test-faulty", session="faulty")
    other = await peer(http).offer(NumberedTrack(), pipeline="passthrough")
    await other.watcher_ready()
    await other.watcher.frames(10)
    session = await (await http.get("/sessions/faulty")).json()
    assert "told to fail" in session["error"]
    await client.control.ask(type="settings", settings={"fail": False})
    await client.watcher_ready()
    await client.watcher.until(lambda watcher: spread(watcher.last) > 60)
    assert (await (await http.get("/sessions/faulty")).json())["error"] is None


async def test_a_pipeline_that_gives_up_says_so_and_can_be_replaced(server, peer):
    http = await server(inference={"max_failures": 2})
    client = await peer(http).offer(NumberedTrack(), pipeline="test-faulty", session="faulty")
    await wait_for_state(http, "faulty", "failed")
    reply = await client.control.ask(type="settings", settings={"fail": True})
    assert reply["applied"]
    await client.control.ask(type="session", pipeline="passthrough")
    await wait_for_state(http, "faulty", "live")


async def test_a_pipeline_that_does_not_load_refuses_the_offer(http, peer):
    reply = await http.post(
        "/sessions", json={"pipeline": "test-faulty", "settings": {"fail_load": True}}
    )
    assert reply.status == 500
    assert "no weights here" in (await reply.json())["error"]["message"]
    assert (await (await http.get("/sessions")).json())["sessions"] == []


async def test_load_parameters_are_fixed_while_the_pipeline_runs(http, peer):
    await peer(http).offer(
        NumberedTrack(), pipeline="test-faulty", session="fixed", settings={"fail": False}
    )
    reply = await http.patch("/sessions/fixed/settings", json={"fail_load": True})
    assert reply.status == 422
    assert "load parameter" in (await reply.json())["error"]["message"]
    reply = await http.patch("/sessions/fixed", json={"settings": {"fail_load": True}})
    assert reply.status == 500
    session = await (await http.get("/sessions/fixed")).json()
    assert session["settings"]["fail_load"] is False


async def test_a_snapshot_is_a_jpeg_of_the_output(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="gray", session="still")
    assert (await http.get("/sessions/none/snapshot.jpg")).status == 404
    await client.watcher_ready()
    await client.watcher.frames(10)
    reply = await http.get("/sessions/still/snapshot.jpg")
    picture = await reply.read()
    assert reply.content_type == "image/jpeg"
    assert picture[:2] == b"\xff\xd8" and picture[-2:] == b"\xff\xd9"


async def test_snapshots_of_both_sides_as_png(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="gray", session="still")
    await client.watcher_ready()
    await client.watcher.frames(10)
    spreads = {}
    for of in ("input", "output"):
        reply = await http.get(f"/sessions/still/snapshot.png?of={of}")
        assert reply.content_type == "image/png"
        with av.open(io.BytesIO(await reply.read()), format="png_pipe") as container:
            spreads[of] = spread(next(container.decode(video=0)))
    assert spreads["input"] > 60 and spreads["output"] < 12
    wrong = await http.get("/sessions/still/snapshot.jpg?of=middle")
    assert wrong.status == 422 and (await wrong.json())["error"]["fields"][0]["field"] == "of"


async def test_the_resolution_may_change_in_the_stream(http, peer):
    class Growing(NumberedTrack):
        async def recv(self):
            self._size = (320, 240) if self._number < 30 else (480, 360)
            return await super().recv()

    client = await peer(http).offer(Growing(), pipeline="edges", numbered=False)
    await client.watcher_ready()
    await client.watcher.until(
        lambda watcher: (watcher.last.width, watcher.last.height) == (480, 360)
    )


async def wait_for_state(http, name: str, state: str, timeout_s: float = 15) -> dict:
    deadline = monotonic() + timeout_s
    while True:
        session = await (await http.get(f"/sessions/{name}")).json()
        if session.get("state") == state:
            return session
        assert monotonic() < deadline, json.dumps(session)
        await asyncio.sleep(0.05)


async def test_a_client_without_video_support_gets_the_answer_it_asked_for(http, peer):
    client = await peer(http).offer(VideoStreamTrack(), numbered=False)
    await client.watcher_ready()
    await client.watcher.frames(3)
