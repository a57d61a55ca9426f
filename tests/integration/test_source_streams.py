"""Sources that come in real time: an RTSP camera, and what ffmpeg sends over RTMP and HTTP."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import imageio_ffmpeg
import pytest

from tests.integration.clips import write_clip
from tests.integration.lips import LipViewer
from tests.integration.lips import write_clip as write_flashes
from tests.integration.peers import PeerClient
from tests.integration.rtsp import Camera
from tests.integration.test_source import is_in, session_until, source_threads

N_FRAMES = 60
FPS = 30


async def test_an_rtsp_camera_is_shown_and_found_again(server, peer, tmp_path):
    clip = write_clip(tmp_path / "clip.h264", N_FRAMES, FPS)
    http = await server(sources={"reconnect_max_s": 1})
    async with Camera(clip, FPS) as camera:
        source = {"url": camera.url}
        reply = await http.post("/sessions", json={"name": "cam", "source": source})
        assert reply.status == 201, await reply.text()
        viewer = await peer(http).whep("cam")
        await viewer.watcher_ready()
        await viewer.watcher.until(lambda w: len({n for _, n in w.seen if n < N_FRAMES}) > 20, 60)
        numbers = [number for _, number in viewer.watcher.seen if number < N_FRAMES]
        assert all(
            later > earlier or earlier - later > N_FRAMES / 2 or later == earlier
            for earlier, later in pairwise(numbers)
        )
        assert "secret" not in await (await http.get("/sessions/cam")).text()
        camera.drop()
        await session_until(http, "cam", lambda s: s["publisher"]["state"] != "connected")
        await session_until(http, "cam", is_in("connected"))
        assert camera.n_players == 2
    await session_until(http, "cam", is_in("reconnecting"))
    assert (await http.delete("/sessions/cam")).status == 204
    assert not source_threads()


@contextmanager
def ffmpeg(clip: Path, *arguments: str) -> Iterator[None]:
    """Send a clip in real time until the block ends."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-re", "-stream_loop", "-1"]
    process = subprocess.Popen([*command, "-i", str(clip), "-c", "copy", *arguments])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.e2e
@pytest.mark.parametrize(("scheme", "container"), [("rtmp", "flv"), ("http", "mpegts")])
async def test_what_ffmpeg_sends_is_shown(server, tmp_path, scheme, container):
    clip = write_clip(tmp_path / "clip.mp4", N_FRAMES, FPS)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    url = f"{scheme}://127.0.0.1:{port}/live/x"
    http = await server(sources={"reconnect_max_s": 1})
    with ffmpeg(clip, "-f", container, "-listen", "1", url):
        await http.post("/sessions", json={"name": "tv", "source": {"url": url}})
        await session_until(http, "tv", lambda s: s["input"]["frames"] > 2 * N_FRAMES, 60)
    await session_until(http, "tv", is_in("reconnecting"))


async def test_srt_says_whether_this_ffmpeg_has_it(server):
    http = await server()
    source = {"url": "srt://127.0.0.1:9"}
    await http.post("/sessions", json={"name": "tv", "source": source})
    session = await session_until(
        http, "tv", lambda s: s["publisher"]["state"] in ("failed", "reconnecting")
    )
    assert session["warnings"]


@pytest.mark.slow
@pytest.mark.e2e
async def test_a_files_sound_and_picture_stay_together(server, tmp_path):
    write_flashes(tmp_path / "flashes.mkv", 12)
    http = await server(sources={"dir": str(tmp_path)})
    client = PeerClient(http)
    viewer = LipViewer(client)
    try:
        source = {"url": "flashes.mkv", "loop": True}
        await http.post("/sessions", json={"name": "lips", "source": source})
        await session_until(http, "lips", is_in("connected"))
        await viewer.join("lips")
        for part in (1, 2, 3):  # other programs on the machine may disturb one
            n_frames = 15 * FPS * part
            await session_until(http, "lips", lambda s, n=n_frames: s["input"]["frames"] > n, 60)
            skews = viewer.skews_ms()[-8:]
            print(f"median {median(skews):+.1f} ms of {skews}")
            if len(skews) == 8 and abs(median(skews)) <= 40:
                break
        else:
            pytest.fail("sound and picture are apart")
    finally:
        await viewer.aclose()
        await client.aclose()
