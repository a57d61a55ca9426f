"""A session whose publisher is this server: files, HTTP, streams, and all that can go wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import av
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lightmill.session.source import SourcePublisher
from tests.integration.clips import write_clip
from tests.integration.peers import NumberedTrack, Watcher

N_FRAMES = 45
FPS = 30


@pytest.fixture
def folder(tmp_path):
    write_clip(tmp_path / "clip.mp4", N_FRAMES, FPS)
    return tmp_path


def source_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "source"]


async def session_until(
    http: Any, name: str, holds: Callable[[dict[str, Any]], Any], timeout_s: float = 30
) -> dict[str, Any]:
    """Follow the session's events until one state holds."""
    async with asyncio.timeout(timeout_s), http.get(f"/sessions/{name}/events") as reply:
        async for line in reply.content:
            if line.startswith(b"data: ") and b'"publisher"' in line:
                session = json.loads(line[6:])
                if holds(session):
                    return session
    raise AssertionError(f"{name} ended")


def is_in(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda session: bool(session["publisher"]) and session["publisher"]["state"] == state


def wraps(numbers: list[int]) -> int:
    return sum(later < earlier for earlier, later in pairwise(numbers))


async def test_a_looped_file_is_seen_in_order_again_and_again(server, peer, folder):
    http = await server(sources={"dir": str(folder)})
    source = {"url": "clip.mp4", "loop": True}
    reply = await http.post("/sessions", json={"name": "tv", "source": source})
    assert reply.status == 201, await reply.text()
    viewer = await peer(http).whep("tv")
    await viewer.watcher_ready()

    def rounds(watcher: Watcher) -> int:
        return wraps([number for _, number in watcher.seen if number < N_FRAMES])

    await viewer.watcher.until(lambda watcher: rounds(watcher) >= 3, 60)
    numbers = [number for _, number in viewer.watcher.seen if number < N_FRAMES]
    # A wrap goes from the clip's last pictures to its first: nothing else runs backwards.
    falls = [(a, b) for a, b in pairwise(numbers) if b < a]
    assert all(a > N_FRAMES / 2 > b for a, b in falls), falls
    session = await (await http.get("/sessions/tv")).json()
    assert session["state"] == "live"
    publisher = session["publisher"]
    assert (publisher["role"], publisher["url"], publisher["state"]) == (
        "source",
        "clip.mp4",
        "connected",
    )
    assert session["input"]["frames"] >= 2 * N_FRAMES
    assert (await http.delete("/sessions/tv")).status == 204
    assert not source_threads()


async def test_a_file_that_is_shown_once_ends_and_its_session_waits(server, folder):
    http = await server(sources={"dir": str(folder)}, session={"idle_s": 600})
    await http.post("/sessions", json={"name": "tv", "source": {"url": "clip.mp4"}})
    session = await session_until(http, "tv", is_in("ended"))
    assert session["input"]["frames"] + session["publisher"]["dropped"] == N_FRAMES
    assert session["warnings"] == [] and not source_threads()
    # Another one takes the place of what has ended, and a running one that of another.
    reply = await http.put("/sessions/tv/source", json={"url": "clip.mp4", "loop": True})
    assert reply.status == 200
    await session_until(http, "tv", is_in("connected"))
    assert (await http.delete("/sessions/tv/source")).status == 204
    assert (await http.delete("/sessions/tv/source")).status == 404
    assert not source_threads()


async def test_after_a_source_that_ended_an_idle_session_ends(server, folder):
    http = await server(sources={"dir": str(folder)}, session={"idle_s": 0.2})
    await http.post("/sessions", json={"name": "tv", "source": {"url": "clip.mp4"}})
    async with asyncio.timeout(30), http.get("/sessions/tv/events") as reply:
        text = (await reply.content.read()).decode()
    assert f'"frames": {N_FRAMES}' in text and '"reason": "idle"' in text


async def test_a_publisher_takes_over_from_a_source_and_back(server, peer, folder):
    http = await server(sources={"dir": str(folder)})
    source = {"url": "clip.mp4", "loop": True}
    await http.post("/sessions", json={"name": "tv", "source": source})
    await session_until(http, "tv", is_in("connected"))
    publisher = await peer(http).whip("tv", NumberedTrack())
    session = await session_until(http, "tv", is_in("connected"))
    assert session["publisher"]["role"] == "publisher" and not source_threads()
    assert (await http.put("/sessions/tv/source", json=source)).status == 200
    session = await session_until(http, "tv", is_in("connected"))
    assert session["publisher"]["role"] == "source"
    assert await publisher.delete() == 404


async def test_without_takeover_the_present_one_stays(server, folder):
    http = await server(sources={"dir": str(folder)}, session={"publisher_takeover": False})
    source = {"url": "clip.mp4", "loop": True}
    await http.post("/sessions", json={"name": "tv", "source": source})
    reply = await http.put("/sessions/tv/source", json=source)
    assert reply.status == 409
    assert (await reply.json())["error"]["code"] == "publisher_present"


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"url": "../clip.mp4"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "concat:clip.mp4|clip.mp4"}, "url"),
        ({"url": ""}, "url"),
        ({}, "url"),
        ({"url": "clip.mp4", "speed": 2}, "speed"),
        ({"url": "clip.mp4", "trusted": True}, "trusted"),
    ],
)
async def test_a_refused_source_names_its_field_and_makes_nothing(server, folder, source, field):
    http = await server(sources={"dir": str(folder / "..")} if not source else {"dir": str(folder)})
    reply = await http.post("/sessions", json={"name": "tv", "source": source})
    body = await reply.json()
    assert reply.status == 422, body
    assert body["error"]["fields"][0]["field"].endswith(field)
    assert (await http.get("/sessions/tv")).status == 404
    await http.post("/sessions", json={"name": "tv"})
    reply = await http.put("/sessions/tv/source", json=source)
    assert reply.status == 422 and not source_threads()


async def test_what_is_no_video_fails_and_the_session_lives(server, folder):
    (folder / "broken.mp4").write_bytes(bytes(range(256)) * 100)
    (folder / "list.txt").write_text(f"ffconcat version 1.0\nfile {folder}/clip.mp4\n")
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nclip.mp4\n")
    http = await server(sources={"dir": str(folder)})
    await http.post("/sessions", json={"name": "tv"})
    for name in ("broken.mp4", "list.txt", "list.m3u8"):
        reply = await http.put("/sessions/tv/source", json={"url": name, "loop": True})
        assert reply.status == 200
        session = await session_until(http, "tv", is_in("failed"))
        assert session["publisher"]["url"] == name
        assert session["state"] == "waiting" and session["warnings"][0].startswith("source: ")
    await http.put("/sessions/tv/source", json={"url": "clip.mp4"})
    assert (await session_until(http, "tv", is_in("connected")))["warnings"] == []


async def test_odd_sizes_and_other_formats_are_shown(server, folder):
    write_clip(folder / "odd.mkv", 20, size=(321, 241), pixels="yuv444p")
    http = await server(sources={"dir": str(folder)})
    await http.post("/sessions", json={"name": "tv", "source": {"url": "odd.mkv"}})
    session = await session_until(http, "tv", is_in("ended"))
    assert (session["input"]["width"], session["input"]["height"]) == (320, 240)
    assert (session["output"]["width"], session["output"]["height"]) == (320, 240)


async def test_too_large_a_picture_is_refused(server, folder):
    http = await server(sources={"dir": str(folder)}, media={"max_picture_pixels": 10_000})
    await http.post("/sessions", json={"name": "tv", "source": {"url": "clip.mp4"}})
    session = await session_until(http, "tv", is_in("failed"))
    assert session["publisher"]["error"]


@asynccontextmanager
async def web_server(handler: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with TestServer(app) as running:
        yield f"http://user:secret@127.0.0.1:{running.port}"


async def test_a_file_over_http_is_looped_at_its_own_pace(server, peer, folder):
    async def clip(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / "clip.mp4")

    async with web_server(clip) as url:
        http = await server()
        source = {"url": f"{url}/clip.mp4?key=hidden", "loop": True}
        reply = await http.post("/sessions", json={"name": "tv", "source": source})
        assert reply.status == 201, await reply.text()
        viewer = await peer(http).whep("tv")
        await viewer.watcher_ready()
        await viewer.watcher.until(
            lambda watcher: wraps([n for _, n in watcher.seen if n < N_FRAMES]) >= 2, 60
        )
        text = await (await http.get("/sessions/tv")).text()
        assert "secret" not in text and "hidden" not in text
        await http.delete("/sessions/tv")
        assert not source_threads()


async def test_a_lost_stream_is_opened_again(server, folder):
    clip = (write_clip(folder / "live.ts", N_FRAMES, FPS)).read_bytes()
    asked = 0

    async def flaky(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(clip)
        return response

    async with web_server(flaky) as url:
        http = await server()
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/live.ts"}})
        lost = await session_until(http, "tv", is_in("reconnecting"))
        assert lost["warnings"][0].startswith("source: ")
        await session_until(
            http, "tv", lambda s: is_in("connected")(s) and s["input"]["frames"] > N_FRAMES
        )
        assert asked >= 3


async def test_a_stream_without_one_picture_yet_is_tried_again(server, folder):
    clip = (write_clip(folder / "live.ts", N_FRAMES, FPS)).read_bytes()
    with av.open(str(folder / "live.ts")) as container:
        first = next(packet for packet in container.demux(video=0) if packet.size)
        tables = clip[: first.pos]
    asked = 0

    async def early(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(clip if asked > 1 else tables)
        return response

    async with web_server(early) as url:
        http = await server()
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/live.ts"}})
        await session_until(http, "tv", lambda s: s["input"]["frames"] > 0)


async def test_a_refused_peer_does_not_end_what_a_source_keeps(server, peer, folder):
    http = await server(sources={"dir": str(folder)}, session={"publisher_takeover": False})
    publisher = await peer(http).whip("tv", NumberedTrack())
    viewer = await peer(http).whep("tv")
    await publisher.delete()
    source = {"url": "clip.mp4", "loop": True}
    assert (await http.put("/sessions/tv/source", json=source)).status == 200
    await viewer.delete()
    with pytest.raises(AssertionError, match="publisher_present"):
        await peer(http).whip("tv", NumberedTrack())
    assert (await http.get("/sessions/tv")).status == 200


async def test_a_publisher_that_comes_while_a_source_is_closed_keeps_its_session(
    server, peer, folder, monkeypatch
):
    """A source that resolves a name takes seconds to close."""
    http = await server(sources={"dir": str(folder)}, session={"grace_s": 0.1})
    first = await peer(http).whip("tv", NumberedTrack())
    await http.put("/sessions/tv/source", json={"url": "clip.mp4", "loop": True})
    await first.aclose()
    await session_until(http, "tv", is_in("connected"))
    closing, may_close, close = asyncio.Event(), asyncio.Event(), SourcePublisher.aclose

    async def slowly(source: SourcePublisher, reason: str = "closed") -> None:
        closing.set()
        await may_close.wait()
        await close(source, reason)

    monkeypatch.setattr(SourcePublisher, "aclose", slowly)
    deleted = asyncio.create_task(http.delete("/sessions/tv/source"))
    await closing.wait()
    await peer(http).whip("tv", NumberedTrack())
    may_close.set()
    assert (await deleted).status == 204
    await asyncio.sleep(0.5)
    session = await (await http.get("/sessions/tv")).json()
    assert session["publisher"]["role"] == "publisher"


async def test_a_server_that_hangs_holds_nothing_up(server):
    hangs = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        hangs.set()
        await asyncio.sleep(3600)
        raise web.HTTPNoContent

    async with web_server(silent) as url:
        http = await server()
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/x.mp4"}})
        await asyncio.wait_for(hangs.wait(), 30)
        assert len(source_threads()) == 1
        assert (await http.delete("/sessions/tv")).status == 204
        assert not source_threads()


async def test_a_server_that_hangs_is_called_silent_and_tried_again(server):
    n_asked = 0

    async def silent(request: web.Request) -> web.Response:
        nonlocal n_asked
        n_asked += 1
        await asyncio.sleep(3600)
        raise web.HTTPNoContent

    async with web_server(silent) as url:
        http = await server(sources={"open_timeout_s": 0.2, "reconnect_max_s": 0.5})
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/x.mp4"}})
        session = await session_until(http, "tv", is_in("reconnecting"))
        assert session["publisher"]["error"] == "it does not answer in time"
        async with asyncio.timeout(30):
            while n_asked < 3:
                await asyncio.sleep(0.05)
        await http.delete("/sessions/tv")


async def test_a_playlist_from_the_network_does_not_read_this_disk(server, folder):
    asked = []

    async def playlist(request: web.Request) -> web.Response:
        asked.append(request.path)
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", f"file://{folder}/live.ts"]
        text = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
        return web.Response(text=text, content_type="application/vnd.apple.mpegurl")

    write_clip(folder / "live.ts", N_FRAMES, FPS)
    async with web_server(playlist) as url:
        http = await server()
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/a.m3u8"}})
        session = await session_until(
            http, "tv", lambda s: s["publisher"]["state"] in ("failed", "reconnecting", "ended")
        )
        assert asked and session["input"]["frames"] == 0


async def test_a_playlist_of_its_own_server_is_shown(server, folder):
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(".ts"):
            return web.FileResponse(folder / "live.ts")
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", "live.ts"]
        text = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
        return web.Response(text=text, content_type="application/vnd.apple.mpegurl")

    write_clip(folder / "live.ts", N_FRAMES, FPS)
    async with web_server(answer) as url:
        http = await server()
        await http.post("/sessions", json={"name": "tv", "source": {"url": f"{url}/a.m3u8"}})
        await session_until(http, "tv", lambda s: s["input"]["frames"] > N_FRAMES // 2)


async def test_fifty_sources_leave_no_thread(server, folder):
    http = await server(sources={"dir": str(folder)})
    await http.post("/sessions", json={"name": "tv"})
    for _ in range(50):
        source = {"url": "clip.mp4", "loop": True}
        assert (await http.put("/sessions/tv/source", json=source)).status == 200
        assert len(source_threads()) == 1
    await http.delete("/sessions/tv/source")
    assert not source_threads()


@pytest.mark.parametrize(("codec", "container"), [("libopus", "mkv"), ("aac", "mp4")])
async def test_the_sound_of_a_source_is_heard(server, peer, folder, codec, container):
    write_clip(folder / f"tone.{container}", 90, sound=codec)
    http = await server(sources={"dir": str(folder)})
    source = {"url": f"tone.{container}", "loop": True}
    await http.post("/sessions", json={"name": "tv", "source": source})
    session = await session_until(
        http, "tv", lambda s: s["audio"]["from"] == "publisher" and s["input"]["frames"] > 120
    )
    assert session["audio"]["dropped"] < 20


async def test_the_operators_source_is_there_from_the_start(server, folder):
    http = await server(
        sources={"url": str(folder / "clip.mp4"), "session": "lobby"}, session={"idle_s": 0.1}
    )
    await session_until(http, "lobby", lambda s: s["input"]["frames"] > N_FRAMES)


async def test_with_workers_too(server, folder):
    http = await server(sources={"dir": str(folder)}, server={"workers": 1}, rtc={"udp_port": 0})
    source = {"url": "clip.mp4", "loop": True}
    reply = await http.post("/sessions", json={"name": "tv", "source": source})
    assert reply.status == 201, await reply.text()
    await session_until(http, "tv", is_in("connected"))
    reply = await http.put("/sessions/tv/source", json={"url": "nowhere.mp4"})
    assert reply.status == 422
    assert (await reply.json())["error"]["fields"][0]["field"] == "url"
    assert (await http.delete("/sessions/tv/source")).status == 204
