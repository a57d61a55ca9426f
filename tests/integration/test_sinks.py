"""Sinks against real receivers: FFmpeg as an RTMP and a TCP server, and servers that are none."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path

import av
import imageio_ffmpeg
import psutil
import pytest

from tests.integration.peers import NumberedTrack
from tests.integration.test_offer import wait_for_state
from tests.integration.test_recording import Movie, never_backwards, speaking
from tests.integration.test_workers import start as start_with_workers

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ALL = ["rtmp", "rtmps", "srt", "udp", "tcp", "file"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Receiver:
    """FFmpeg that listens and writes what comes into a file."""

    def __init__(self, url: str, path: Path, *flags: str) -> None:
        self.path = path
        self._command = [FFMPEG, "-y", *flags, "-i", url, "-c", "copy", str(path)]

    async def open(self) -> Receiver:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def ended(self) -> None:
        await asyncio.wait_for(self._process.wait(), 30)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@pytest.fixture
async def receive():
    receivers: list[Receiver] = []

    async def make(url: str, path: Path, *flags: str) -> Receiver:
        receivers.append(await Receiver(url, path, *flags).open())
        return receivers[-1]

    yield make
    for one in receivers:
        await one.kill()


@pytest.fixture
async def http(server, tmp_path):
    return await server(
        recording={"dir": str(tmp_path), "min_free_bytes": 0, "keyframe_s": 0.5},
        sinks={"timeout_s": 2.0, "retry_most_s": 1.0, "schemes": ALL},
    )


async def publish(http, peer, session: str = "show") -> None:
    await speaking(peer(http)).whip(session, NumberedTrack())
    await wait_for_state(http, session, "live")


async def add(http, url: str, **body) -> dict:
    reply = await http.post("/sessions/show/sinks", json={"url": url, **body})
    assert reply.status == 201, await reply.text()
    return await reply.json()


async def until(http, condition: Callable[[dict], object]) -> dict:
    """Wait until the only sink is so."""
    async with asyncio.timeout(40):
        while True:
            (sink,) = (await (await http.get("/sessions/show")).json())["sinks"]
            if condition(sink):
                return sink
            await asyncio.sleep(0.05)


def sent(sink: dict) -> bool:
    return sink["state"] == "live" and sink["sent_bytes"] > 8_000


async def remove(http, sink: dict) -> None:
    assert (await http.delete(f"/sessions/show/sinks/{sink['id']}")).status == 204


def children() -> set[int]:
    return {one.pid for one in psutil.Process().children(recursive=True)}


async def test_rtmp_arrives_with_picture_and_sound(http, peer, tmp_path, receive):
    await publish(http, peer)
    url = f"rtmp://127.0.0.1:{free_port()}/live/secret-key"
    receiver = await receive(url, tmp_path / "got.flv", "-listen", "1")
    sink = await add(http, url)
    assert sink["state"] == "connecting" and "secret" not in sink["url"]
    sink = await until(http, sent)
    listed = await (await http.get("/sessions/show/sinks")).json()
    assert [one["id"] for one in listed["sinks"]] == [sink["id"]]
    await remove(http, sink)
    await receiver.ended()
    movie = await asyncio.to_thread(Movie, receiver.path)
    assert movie.codecs == ["h264", "aac"] and movie.sound
    assert len(movie.numbers) > 20
    assert never_backwards(movie.numbers), movie.numbers
    assert (await (await http.get("/sessions/show/sinks")).json())["sinks"] == []


@pytest.mark.parametrize("audio", ["aac", "opus"])
async def test_mpeg_ts_over_tcp(http, peer, tmp_path, receive, audio):
    await publish(http, peer)
    port = free_port()
    receiver = await receive(f"tcp://127.0.0.1:{port}?listen=1", tmp_path / "got.ts")
    sink = await add(http, f"tcp://127.0.0.1:{port}", audio=audio)
    await until(http, sent)
    await remove(http, sink)
    await receiver.ended()
    movie = await asyncio.to_thread(Movie, receiver.path)
    assert movie.codecs == ["h264", audio] and movie.sound
    assert never_backwards(movie.numbers), movie.numbers


async def test_a_receiver_that_comes_late_and_leaves_is_found_again(http, peer, tmp_path, receive):
    await publish(http, peer)
    url = f"rtmp://127.0.0.1:{free_port()}/live/key"
    sink = await add(http, url)
    found = await until(http, lambda one: one["state"] == "retrying")
    assert "refused" in found["error"] and "key" not in str(found)
    receiver = await receive(url, tmp_path / "first.flv", "-listen", "1")
    await until(http, sent)
    await receiver.kill()
    await until(http, lambda one: one["state"] == "retrying")
    again = await receive(url, tmp_path / "again.flv", "-listen", "1")
    sink = await until(http, sent)
    assert sink["error"] is None and sink["retries"] >= 2
    await remove(http, sink)
    await again.ended()
    assert (await asyncio.to_thread(Movie, again.path)).numbers


async def test_a_receiver_that_says_nothing_stops_nobody(http, peer, tmp_path):
    """It accepts and is silent; the sink gives up, tries again, and ends at once when told to."""
    await publish(http, peer)
    before = children()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sink = await add(http, f"rtmp://127.0.0.1:{mute.getsockname()[1]}/live/key")
        viewer = await peer(http).whep("show")
        await viewer.watcher_ready()
        await viewer.watcher.frames(30)
        found = await until(http, lambda one: one["state"] == "retrying")
        assert "sinks.timeout_s" in found["error"]
        await until(http, lambda one: one["state"] == "connecting")
        await remove(http, sink)
    assert children() <= before


async def test_a_protocol_that_ffmpeg_lacks_is_said_once_and_no_secret_with_it(http, peer):
    """PyAV's wheels have no SRT; with a build that has it, nobody listens there."""
    await publish(http, peer)
    await add(http, f"srt://127.0.0.1:{free_port()}?passphrase=top-secret-words")
    found = await until(http, lambda one: one["state"] in ("failed", "retrying"))
    assert "secret" not in str(found)
    if found["state"] == "failed":
        assert "built without" in found["error"] and found["retries"] == 0


async def test_a_file_beside_the_recordings(http, peer, tmp_path):
    await publish(http, peer)
    for name in ("show.mp4", "show.ts"):
        sink = await add(http, f"file:{name}")
        await until(http, sent)
        await remove(http, sink)
        movie = await asyncio.to_thread(Movie, tmp_path / name)
        assert movie.codecs == ["h264", "opus" if name == "show.mp4" else "aac"]
    listed = (await (await http.get("/recordings")).json())["recordings"]
    assert [one["id"] for one in listed] == ["show"]


async def test_two_sinks_of_one_name_write_two_files(http, peer, tmp_path):
    await http.post("/sessions", json={"name": "show"})
    sinks = await asyncio.gather(add(http, "file:show.ts"), add(http, "file:show.ts"))
    async with asyncio.timeout(40):
        while True:
            listed = (await (await http.get("/sessions/show/sinks")).json())["sinks"]
            if all(one["state"] == "live" and one["sent_bytes"] for one in listed):
                break
            await asyncio.sleep(0.05)
    for sink in sinks:
        await remove(http, sink)
    for name in ("show.ts", "show-2.ts"):
        with av.open(str(tmp_path / name)) as container:
            assert next(container.decode(video=0)).width


async def test_a_sink_that_failed_for_good_keeps_no_session(server, tmp_path):
    recording = {"dir": str(tmp_path), "min_free_bytes": 0, "max_length_s": 0.1}
    http = await server(recording=recording, session={"idle_s": 0.2})
    await http.post("/sessions", json={"name": "show"})
    await add(http, "file:show.ts")
    async with asyncio.timeout(40):
        while (await http.get("/sessions/show")).status != 404:
            await asyncio.sleep(0.05)


async def test_without_processes_a_sink_tries_again(http, peer, monkeypatch):
    async def none(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    await http.post("/sessions", json={"name": "show"})
    monkeypatch.setattr(asyncio, "create_subprocess_exec", none)
    sink = await add(http, f"rtmp://127.0.0.1:{free_port()}/live/key")
    found = await until(http, lambda one: one["state"] == "retrying")
    assert found["error"] == "Too many open files"
    await remove(http, sink)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("http://example.org/x", "sinks.schemes"),
        ("/etc/passwd", "sinks.schemes"),
        ("rtmp:///live", "host"),
        ("tcp://127.0.0.1", "port"),
        ("tcp://127.0.0.1:99999", "cannot be read"),
        ("file:../x.mp4", "no folders"),
        ("file:/etc/x.mp4", "no folders"),
        ("file:x.sh", "recording.dir"),
        ("rtmp://a b/c", "no spaces"),
        ("rtmp://h/a\nb", "no spaces"),
    ],
)
async def test_addresses_that_are_refused(http, url, names):
    await http.post("/sessions", json={"name": "show"})
    refused = await http.post("/sessions/show/sinks", json={"url": url})
    error = (await refused.json())["error"]
    assert refused.status == 422 and error["fields"][0]["field"] == "url"
    assert names in error["message"]


async def test_opus_does_not_go_into_rtmp(http):
    await http.post("/sessions", json={"name": "show"})
    body = {"url": "rtmp://127.0.0.1/live/key", "audio": "opus"}
    refused = await http.post("/sessions/show/sinks", json=body)
    assert refused.status == 422
    assert (await refused.json())["error"]["fields"][0]["field"] == "audio"


async def test_a_session_has_few_sinks_and_ends_them(server, peer):
    http = await server(sinks={"max_per_session": 1})
    await http.post("/sessions", json={"name": "show"})
    await add(http, f"rtmp://127.0.0.1:{free_port()}/live/key")
    more = await http.post("/sessions/show/sinks", json={"url": "rtmp://127.0.0.1/live/key"})
    assert more.status == 503 and "max_per_session" in await more.text()
    assert (await http.delete("/sessions/show/sinks/none")).status == 404
    assert (await http.delete("/sessions/show")).status == 204
    async with asyncio.timeout(10):
        while any("lightmill.media.push" in _command(pid) for pid in children()):
            await asyncio.sleep(0.05)


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


async def test_it_works_with_workers(peer, tmp_path, receive):
    http = await start_with_workers(recording={"keyframe_s": 0.5})
    try:
        await publish(http, peer)
        url = f"rtmp://127.0.0.1:{free_port()}/live/key"
        receiver = await receive(url, tmp_path / "got.flv", "-listen", "1")
        sink = await add(http, url)
        await until(http, sent)
        await remove(http, sink)
        await receiver.ended()
        assert (await asyncio.to_thread(Movie, receiver.path)).numbers
        assert (await http.delete(f"/sessions/show/sinks/{sink['id']}")).status == 404
    finally:
        await http.close()
