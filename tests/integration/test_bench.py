"""`lightmill bench` against real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lightmill.bench.measure import measure
from lightmill.bench.options import BenchOptions, Kind
from lightmill.bench.sustain import sustain
from lightmill.errors import BenchError
from tests.benchmarks.aiortc_example import PEERS, RELAY, MediaRelay, close_all, offer

SMALL = {
    "width": 320,
    "height": 240,
    "clip_s": 1,
    "keyframe_s": 0.5,
    "bitrate_bps": 300_000,
    "seconds": 2,
    "warm_up_s": 1,
}


def options(http, path: str, kind: Kind, **more) -> BenchOptions:
    return BenchOptions(url=str(http.make_url(path)), kind=kind, **{**SMALL, **more})


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_offer_gives_sane_figures(http, codec):
    result = await measure(options(http, "/offer", Kind.OFFER, codec=codec, sessions=2))
    values = json.loads(json.dumps(result.to_json()))
    assert 10 < values["fps_slowest"] < 35
    assert values["sessions_lost"] == 0
    assert 0 < values["floor_ms"]["p50"] < values["latency_ms"]["p50"] < 1000
    assert values["frames_sent"] > 60
    assert values["server"]["pid"] == os.getpid()
    assert 0 < values["server"]["cpu"] < 10 and values["server"]["rss_max_bytes"] > 1 << 20
    assert [one["packets_lost"] for one in values["viewers"]] == [0, 0]
    assert (await (await http.get("/health")).json())["peers"] == 0


async def test_whip_with_viewers(http):
    url = str(http.make_url("/whip/")) + "{session}"
    result = await measure(
        BenchOptions(url=url, kind=Kind.WHIP_WHEP, viewers=3, **SMALL), floor=False
    )
    assert len(result.viewers) == 3
    assert all(one.fps > 10 and one.bitrate_bps > 10_000 for one in result.viewers)
    assert [one.latency_ms is not None for one in result.viewers] == [True, False, False]


async def test_another_server_by_the_same_offer():
    app = web.Application()
    app[PEERS], app[RELAY] = set(), MediaRelay()
    app.router.add_post("/offer", offer)
    app.on_shutdown.append(close_all)
    async with TestServer(app) as server:
        found = await measure(options(server, "/offer", Kind.OFFER), floor=False)
    assert found.fps > 10 and found.latency_ms.p50 > 0


async def test_a_limit_ends_the_climb(server):
    http = await server(session={"max_sessions": 2})
    found = await sustain(options(http, "/offer", Kind.OFFER, seconds=1, warm_up_s=0.5), 1)
    assert found.sessions == 2 and found.tried[4] == 0


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("/nothing", Kind.OFFER, "404"),
        ("/health", Kind.OFFER, "405"),
        ("/whep/no%20name", Kind.WHEP, "refused with 4"),
    ],
)
async def test_a_refusal_names_the_url_and_what_it_said(http, path, kind, text):
    wanted = options(http, path, kind, connect_timeout_s=2, pipeline=None)
    with pytest.raises(BenchError, match=text) as caught:
        await measure(wanted, floor=False)
    assert path in str(caught.value)


def command(*arguments: str) -> list[str]:
    start = "from lightmill.cli import main; main()"
    small = ["--size", "320x240", "--no-floor", *arguments]
    return [sys.executable, "-c", start, "bench", *small]


def test_a_server_that_is_not_there_is_exit_code_2():
    run = subprocess.run(command("127.0.0.1:9"), capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "http://127.0.0.1:9/offer cannot be reached" in run.stderr


async def test_interrupting_ends_the_peers(http):
    url = str(http.make_url("/offer"))
    with subprocess.Popen(
        command(url, "--seconds", "60"), stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 30

        while (await (await http.get("/health")).json())["peers"] == 0:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 130
    assert (await (await http.get("/health")).json())["peers"] == 0
