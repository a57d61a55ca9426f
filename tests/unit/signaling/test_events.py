from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import load_config
from lightmill.session.events import SessionEvent
from lightmill.signaling import events
from lightmill.signaling.events import encode_event
from lightmill.signaling.keys import STREAMS


@pytest.fixture
async def http():
    flags = {"session": {"stats_interval_s": 600}}
    async with TestClient(TestServer(create_app(load_config(environ={}, flags=flags)))) as http:
        assert (await http.post("/sessions", json={"name": "show"})).status == 201
        yield http


def test_an_event_is_one_block_whatever_it_holds():
    text = encode_event(SessionEvent("ended", {"reason": "line\n\nbreaks: é"})).decode()
    kind, data = text.removesuffix("\n\n").split("\n")
    assert kind == "event: ended"
    assert json.loads(data.removeprefix("data: ")) == {"reason": "line\n\nbreaks: é"}


async def test_silence_is_filled_with_comments_and_a_client_that_left_is_forgotten(
    http, monkeypatch
):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    reply = await http.get("/sessions/show/events")
    await reply.content.readuntil(b"\n\n")
    async with asyncio.timeout(5):
        assert await reply.content.readuntil(b"\n\n") == b": still here\n\n"
        assert len(http.app[STREAMS]) == 1
        reply.close()
        while http.app[STREAMS]:
            await asyncio.sleep(0.01)


async def test_other_sites_pages_that_are_allowed_may_read_the_stream(http):
    headers = {"Origin": "http://localhost:3000"}
    reply = await http.get("/sessions/show/events", headers=headers)
    assert reply.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"
    reply.close()
