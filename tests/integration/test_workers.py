"""Sessions in two real worker processes: media, placement, death, replacement, the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import load_config
from lightmill.errors import ConfigError
from lightmill.session.workers.process import spawn_worker
from tests.integration.peers import NumberedTrack, numbered_picture, read_number
from tests.integration.test_offer import error_of, spread, wait_for_state
from tests.unit.test_plugins import EXAMPLE, install

Http = TestClient[Any, Any]


async def start(**flags: Any) -> Http:
    flags["server"] = {"workers": 2} | flags.get("server", {})
    client = TestClient(TestServer(create_app(load_config(environ={}, flags=flags))))
    try:
        await client.start_server()
    except BaseException:
        await client.session.close()
        raise
    return client


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = await start()
    pids = [worker["pid"] for worker in await workers_of(client)]
    yield client
    await client.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def health_of(http: Http) -> dict[str, Any]:
    return await (await http.get("/health")).json()


async def workers_of(http: Http) -> list[dict[str, Any]]:
    return (await health_of(http))["workers"]


async def worker_with(http: Http, n_peers: int) -> dict[str, Any]:
    (worker,) = [one for one in await workers_of(http) if one["peers"] == n_peers]
    return worker


class Events:
    """Reads a session's server-sent events."""

    def __init__(self, http: Http, session: str) -> None:
        self._http, self._path = http, f"/sessions/{session}/events"

    async def open(self) -> Events:
        self._reply = await self._http.get(self._path)
        assert self._reply.status == 200, await self._reply.text()
        assert self._reply.content_type == "text/event-stream"
        return self

    async def next(self) -> tuple[str, Any] | None:
        """The next event, or ``None`` at the end."""
        async with asyncio.timeout(10):
            block = (await self._reply.content.readuntil(b"\n\n")).decode()
        kind, data = block.strip().split("\n")
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def until(self, kind: str) -> Any:
        while (event := await self.next())[0] != kind:
            pass
        return event[1]

    async def at_end(self) -> bool:
        return await self._reply.content.read() == b""


async def test_video_settings_snapshot_and_viewers_in_one_worker(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="color", session="show")
    viewer = await peer(http).whep("show")
    other = await peer(http).offer(NumberedTrack(), session="other")
    for one in (client, viewer, other):
        await one.watcher_ready()
    await viewer.watcher.frames(10)
    last = viewer.watcher.last
    assert error_of(last.to_ndarray(format="rgb24"), numbered_picture(read_number(last))) < 12
    workers = await workers_of(http)
    assert sorted(worker["peers"] for worker in workers) == [1, 2]
    assert [worker["sessions"] for worker in workers] == [1, 1]
    reply = await http.patch("/sessions/show/settings", json={"saturation": 0})
    assert (await reply.json())["applied"]
    await viewer.watcher.until(lambda watcher: spread(watcher.last) < 12)
    assert spread(other.watcher.last) > 60
    refused = await http.patch("/sessions/show/settings", json={"contrast": 99})
    assert refused.status == 422
    assert (await refused.json())["error"]["fields"][0]["field"] == "contrast"
    picture = await (await http.get("/sessions/show/snapshot.jpg")).read()
    assert picture[:2] == b"\xff\xd8" and picture[-2:] == b"\xff\xd9"
    listed = (await (await http.get("/sessions")).json())["sessions"]
    assert {session["name"] for session in listed} == {"show", "other"}
    assert (await http.delete("/sessions/other")).status == 204
    assert (await http.get("/sessions/other")).status == 404
    assert await viewer.delete() == 200
    assert await viewer.delete() == 404


async def test_a_killed_worker_takes_only_its_sessions_and_is_replaced(http, peer):
    client = await peer(http).offer(NumberedTrack(), session="show")
    viewer = await peer(http).whep("show")
    other = await peer(http).offer(NumberedTrack(), session="other")
    await other.watcher_ready()
    await viewer.watcher_ready()
    await viewer.watcher.frames(3)
    events = await Events(http, "show").open()
    assert (await events.next())[0] == "state"
    doomed = await worker_with(http, n_peers=2)
    before = other.watcher.n_frames
    os.kill(doomed["pid"], signal.SIGKILL)
    async with asyncio.timeout(1):
        ended = await events.until("ended")
    assert ended == {"reason": "its worker process died", "code": "worker_died"}
    assert await events.at_end()
    gone = await http.get("/sessions/show")
    assert gone.status == 404 and "worker process died" in await gone.text()
    assert (await http.delete(client.resource)).status == 404
    await other.watcher.frames(15)
    assert other.watcher.n_frames > before
    assert (await (await http.get("/sessions/other")).json())["state"] == "live"
    async with asyncio.timeout(30):
        while (await health_of(http))["status"] != "ok":
            await asyncio.sleep(0.1)
    assert [worker["restarts"] for worker in await workers_of(http)].count(1) == 1
    again = await peer(http).offer(NumberedTrack(), session="show")
    await again.watcher_ready()
    await again.watcher.frames(5)
    replacement = (await workers_of(http))[doomed["index"]]
    assert replacement["sessions"] == 1 and replacement["pid"] != doomed["pid"]


async def test_a_worker_that_hangs_is_replaced():
    http = await start(server={"workers": 1, "worker_silence_s": 2.5})
    try:
        (hung,) = await workers_of(http)
        os.kill(hung["pid"], signal.SIGSTOP)
        async with asyncio.timeout(40):
            while (await workers_of(http))[0]["restarts"] == 0:
                await asyncio.sleep(0.1)
            while (await http.post("/sessions", json={"name": "show"})).status != 201:
                await asyncio.sleep(0.1)
        assert not psutil.pid_exists(hung["pid"])
    finally:
        await http.close()


async def test_a_request_in_flight_is_answered_503_when_its_worker_dies(peer):
    http = await start(server={"workers": 1})
    try:
        assert (await http.post("/sessions", json={"name": "show"})).status == 201
        (worker,) = await workers_of(http)
        os.kill(worker["pid"], signal.SIGSTOP)
        asked = asyncio.create_task(http.get("/sessions/show"))
        await asyncio.sleep(0.1)
        assert not asked.done()
        os.kill(worker["pid"], signal.SIGKILL)
        reply = await asked
        assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0
        assert (await reply.json())["error"]["code"] == "worker_died"
        none_ready = await http.post("/sessions", json={"name": "show"})
        assert none_ready.status == 503
        assert (await health_of(http))["status"] == "degraded"
    finally:
        await http.close()


async def test_events_tell_states_and_the_end_with_and_without_workers(http, server, peer):
    for one in (http, await server()):
        assert (await one.get("/sessions/show/events")).status == 404
        await one.post("/sessions", json={"name": "show", "pipeline": "color"})
        events = await Events(one, "show").open()
        kind, session = await events.next()
        assert kind == "state" and session["name"] == "show" and session["codec"] == "auto"
        await one.patch("/sessions/show", json={"codec": "vp8"})
        while (await events.until("state"))["codec"] != "vp8":
            pass
        await one.delete("/sessions/show")
        assert await events.until("ended") == {"reason": "ended by request", "code": "ended"}
        assert await events.at_end()


@pytest.mark.parametrize("workers", [0, 1])
async def test_the_servers_end_is_told_and_waits_for_no_subscriber(peer, workers):
    http = await start(server={"workers": workers, "shutdown_timeout_s": 60})
    client = await peer(http).offer(NumberedTrack(), session="show")
    await client.control.ask(type="ping")
    events = await Events(http, "show").open()
    async with asyncio.timeout(20):
        await asyncio.gather(http.server.close(), events.until("ended"))
        while not client.control.pushed:
            await asyncio.sleep(0.02)
    assert client.control.pushed == [{"type": "ended", "reason": "the server stops"}]
    await http.close()


async def test_a_worker_that_does_not_end_is_killed():
    http = await start(server={"workers": 1, "shutdown_timeout_s": 0.3})
    (worker,) = await workers_of(http)
    os.kill(worker["pid"], signal.SIGSTOP)
    await http.close()
    assert not psutil.pid_exists(worker["pid"])


async def test_a_start_that_fails_is_one_line_on_the_command_line(tmp_path: Path):
    install(tmp_path, "mill_crash", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "lightmill",
        *("serve", "--port", "0", "--workers", "2"),
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2 and output == b""
    assert b"ended before it was ready" in errors and b"Traceback" not in errors


async def test_limits_hold_for_all_workers_together():
    http = await start(session={"max_sessions": 2})
    try:
        for name in ("a", "b"):
            assert (await http.post("/sessions", json={"name": name})).status == 201
        reply = await http.post("/sessions", json={"name": "c"})
        assert reply.status == 503 and (await reply.json())["error"]["code"] == "limit_reached"
        await http.delete("/sessions/a")
        assert (await http.post("/sessions", json={"name": "c"})).status == 201
    finally:
        await http.close()


async def test_plugins_load_in_the_workers(tmp_path: Path, monkeypatch, peer):
    install(tmp_path, "mill_worker_good", EXAMPLE.read_text())
    install(tmp_path, "mill_worker_typo", "import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    http = await start(server={"workers": 1})
    try:
        listing = await (await http.get("/pipelines")).json()
        assert listing["failed_plugins"][0]["plugin"] == "mill_worker_typo"
        assert (await (await http.get("/pipelines/negative")).json())[
            "plugin"
        ] == "mill_worker_good"
        assert (await http.get("/pipelines/none")).status == 404
        client = await peer(http).offer(NumberedTrack(), pipeline="negative", session="show")
        await client.watcher_ready()
        await wait_for_state(http, "show", "live")
        assert "mill_worker_good" not in sys.modules
    finally:
        await http.close()


async def test_a_configuration_that_workers_refuse_stops_the_start():
    before = children()
    with pytest.raises(ConfigError, match=r"session\.default_pipeline"):
        await start(session={"default_pipeline": "none"})
    assert children() <= before


async def test_a_start_that_is_cancelled_twice_leaves_no_process():
    before = children()
    config = load_config(environ={}, flags={"server": {"workers": 1}})
    starting = asyncio.create_task(spawn_worker(config, 0, print))
    while not children() - before:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    for _ in range(2):
        starting.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([starting])
    assert starting.cancelled() and children() <= before


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_the_front_process_imports_no_media_and_no_torch():
    check = (
        "import sys; from lightmill.app import create_app; from lightmill.config import Config, "
        "ServerConfig; create_app(Config(server=ServerConfig(workers=1))); "
        "assert not {'torch', 'av', 'aiortc', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_worker_outlives_the_command(number):
    command = [Path(sys.executable).parent / "lightmill", "serve", "--port", "0"]
    environment = os.environ | {"LIGHTMILL_SERVER__WORKERS": "2"}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert b"is ready" in await asyncio.wait_for(process.stdout.readline(), 60)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    if number is signal.SIGINT:
        for worker in workers:
            worker.send_signal(number)  # they leave it to the front process
    os.killpg(process.pid, number)
    assert await asyncio.wait_for(process.wait(), 20) == (-9 if number is signal.SIGKILL else 0)
    gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 10)
    assert len(gone) == 2 and not alive
    assert b"Traceback" not in await process.stderr.read()
