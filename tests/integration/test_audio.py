"""Sound reaches the viewers untouched and in step with the picture."""

from __future__ import annotations

import asyncio
from statistics import median

import pytest

from tests.integration.lips import LipViewer, Publisher, write_clip
from tests.integration.peers import PeerClient
from tests.integration.test_offer import wait_for_state

WATCHED_S = 12.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "flash-and-beep.mkv"
    write_clip(path, 60)
    return path


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize(
    ("pipeline", "settings", "source"),
    [
        ("passthrough", {}, "publisher"),
        ("test-slow", {"delay_ms": 100}, "publisher"),
        ("test-chunks", {"size": 12, "delay_ms": 100}, "publisher"),
        ("test-chunks", {"size": 1, "delay_ms": 10, "speak": True}, "pipeline"),
        ("test-chunks", {"size": 12, "delay_ms": 100, "speak": True}, "pipeline"),
    ],
    ids=["passthrough", "slow", "chunks", "voice", "voice-chunks"],
)
async def test_flash_and_beep_stay_together(server, clip, pipeline, settings, source):
    http = await server()
    made = await http.post(
        "/sessions", json={"name": "lips", "pipeline": pipeline, "settings": settings}
    )
    assert made.status == 201, await made.text()
    publisher = await asyncio.to_thread(Publisher, clip, str(http.make_url("/whip/lips")))
    client = PeerClient(http)
    viewer = LipViewer(client)
    try:
        await wait_for_state(http, "lips", "live")
        await viewer.join("lips")
        await asyncio.sleep(WATCHED_S)
        session = await (await http.get("/sessions/lips")).json()
        skews, arrivals = viewer.skews_ms(), viewer.skews_ms(by="arrived")
        print(f"{pipeline} {settings}: median {median(skews):+.1f} ms of {skews}")
        print(f"by arrival: median {median(arrivals):+.1f} ms")
        print(session["audio"], session["latency_ms"]["total"], f"{viewer.audio.markers} markers")
        assert session["audio"]["from"] == source
        assert len(skews) >= 8
        assert abs(median(skews)) <= 40
        assert abs(median(arrivals)) <= 40
    finally:
        await viewer.aclose()
        await client.aclose()
        await asyncio.to_thread(publisher.close)
