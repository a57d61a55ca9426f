"""Recordings of real sessions, played back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from statistics import median

import aiohttp
import av
import pytest
from aiortc.mediastreams import AudioStreamTrack

from lightmill.session.shelf import Shelf
from tests.integration.lips import Publisher, write_clip
from tests.integration.peers import NumberedTrack, PeerClient, read_number
from tests.integration.test_offer import wait_for_state
from tests.integration.test_workers import start as start_with_workers

FRAME_S = 1 / 30


@pytest.fixture
async def http(server, tmp_path):
    return await server(recording={"dir": str(tmp_path), "min_free_bytes": 0})


class Movie:
    """Everything in one file, decoded."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            self.codecs = [stream.codec_context.name for stream in container.streams]
            frames = list(container.decode(video=0))
        self.numbers = [read_number(frame) for frame in frames]
        self.times = [float(frame.time) for frame in frames]
        self.sizes = {(frame.width, frame.height) for frame in frames}
        with av.open(str(path)) as container:
            self.sound = list(container.decode(audio=0))

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0] + FRAME_S

    @property
    def sound_seconds(self) -> float:
        return sum(frame.samples / frame.sample_rate for frame in self.sound)


def never_backwards(numbers: list[int]) -> bool:
    """A picture comes again when a keyframe is wanted and a busy machine has made no other."""
    return len(set(numbers)) > 1 and all(a <= b for a, b in pairwise(numbers))


async def start(http, session: str = "show") -> dict:
    reply = await http.post(f"/sessions/{session}/recording")
    assert reply.status == 201, await reply.text()
    return await reply.json()


async def stop(http, session: str = "show") -> dict:
    reply = await http.delete(f"/sessions/{session}/recording")
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def recording_of(http, session: str = "show") -> dict | None:
    return (await (await http.get(f"/sessions/{session}")).json())["recording"]


async def recorded(http, seconds: float, session: str = "show") -> dict:
    """Wait until so much is in the file."""
    async with asyncio.timeout(30):
        while (one := await recording_of(http, session))["duration_s"] < seconds:
            await asyncio.sleep(0.05)
    return one


def speaking(peer: PeerClient) -> PeerClient:
    peer.pc.addTransceiver(AudioStreamTrack(), "sendonly")
    return peer


@pytest.mark.parametrize("sound", ["opus", "aac"])
async def test_three_seconds_play_back(server, peer, tmp_path, sound):
    http = await server(recording={"dir": str(tmp_path), "min_free_bytes": 0, "audio": sound})
    track = NumberedTrack()
    await speaking(peer(http)).whip("show", track)
    await wait_for_state(http, "show", "live")
    begun = await start(http)
    assert begun["state"] in ("waiting", "recording")
    assert (await http.post("/sessions/show/recording")).status == 409
    await recorded(http, 3)
    ended = await stop(http)
    assert ended["state"] == "ended" and ended["parts"] == 1 and ended["dropped"] == 0
    assert await recording_of(http) is None
    movie = await asyncio.to_thread(Movie, tmp_path / ended["file"])
    assert movie.codecs == ["h264", sound] and movie.sizes == {(320, 240)}
    assert never_backwards(movie.numbers), movie.numbers
    assert all(a < b for a, b in pairwise(movie.times))
    assert abs(movie.seconds - ended["duration_s"]) < 2 * FRAME_S
    # Numbers stand for the publisher's time: what is between the ends took as long in the file.
    assert abs((movie.numbers[-1] - movie.numbers[0] + 1) * FRAME_S - movie.seconds) < 0.5
    assert abs(movie.sound_seconds - movie.seconds) < 1.2
    assert (tmp_path / ended["file"]).stat().st_size == ended["size_bytes"]


async def test_list_download_ranges_and_delete(http, peer, tmp_path):
    await peer(http).whip("show", NumberedTrack())
    begun = await start(http)
    one = await recorded(http, 0.5)
    assert one["id"] == begun["id"] and one["state"] == "recording"
    (listed,) = (await (await http.get("/recordings")).json())["recordings"]
    assert (listed["id"], listed["state"]) == (begun["id"], "recording")
    refused = await http.delete(f"/recordings/{begun['id']}")
    assert refused.status == 409 and "stop it first" in await refused.text()
    await stop(http)
    (listed,) = (await (await http.get("/recordings")).json())["recordings"]
    assert listed["state"] == "done"
    path = f"/recordings/{begun['id']}"
    whole = await http.get(path)
    data = await whole.read()
    assert whole.content_type == "video/mp4" and data == (tmp_path / begun["file"]).read_bytes()
    part = await http.get(path, headers={"Range": "bytes=10-29"})
    assert part.status == 206 and await part.read() == data[10:30]
    assert (await http.delete(path)).status == 204
    gone = await http.get(path)
    assert gone.status == 404 and (await gone.json())["error"]["code"] == "recording_not_found"
    assert (await http.delete("/sessions/show/recording")).status == 404
    assert not list(tmp_path.iterdir())


async def test_names_lead_nowhere_else(http, tmp_path):
    (tmp_path.parent / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "link.mp4").symlink_to(tmp_path.parent / "secret.mp4")
    for name in ("..%2Fsecret", "%2Fetc%2Fpasswd", "link", ".hidden", "a%00b", "x" * 200):
        for method in ("GET", "DELETE"):
            reply = await http.request(method, f"/recordings/{name}")
            assert reply.status == 404, (method, name)
    assert (tmp_path / "link.mp4").is_symlink()
    assert (await (await http.get("/recordings")).json())["recordings"] == []


async def test_two_sessions_at_once_and_viewers_change_nothing(http, peer, tmp_path):
    for name in ("a", "b"):
        await peer(http).whip(name, NumberedTrack())
        await wait_for_state(http, name, "live")
        await start(http, name)
    viewer = await peer(http).whep("a")
    await viewer.watcher_ready()
    await viewer.watcher.frames(10)
    await asyncio.gather(recorded(http, 2, "a"), recorded(http, 2, "b"))
    await viewer.delete()
    files = [(await stop(http, name))["file"] for name in ("a", "b")]
    for file in files:
        movie = await asyncio.to_thread(Movie, tmp_path / file)
        assert len(movie.numbers) > 20
        assert never_backwards(movie.numbers), movie.numbers
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_viewer_with_a_bad_network_makes_no_recording_smaller(server, peer, tmp_path):
    """The main lane shrinks for its viewer; the recording gets a lane of its own."""
    http = await server(
        recording={"dir": str(tmp_path), "min_free_bytes": 0},
        media={"start_bitrate_bps": 60_000, "min_bitrate_bps": 30_000},
    )
    await peer(http).whip("show", NumberedTrack(width=640, height=480))
    await wait_for_state(http, "show", "live")
    await start(http)
    await recorded(http, 0.5)
    viewer = await peer(http).whep("show")
    await viewer.watcher_ready()
    await viewer.watcher.until(lambda watcher: watcher.last.width < 640)
    await recorded(http, 3)
    session = await (await http.get("/sessions/show")).json()
    sizes = {(one["width"], one["viewers"]) for one in session["output"]["renditions"]}
    assert (640, 0) in sizes
    ended = await stop(http)
    assert ended["parts"] == 1
    movie = await asyncio.to_thread(Movie, tmp_path / ended["file"])
    assert movie.sizes == {(640, 480)}
    assert never_backwards(movie.numbers), movie.numbers
    assert max(b - a for a, b in pairwise(movie.times)) < 1


async def test_another_size_begins_another_file(http, peer, tmp_path):
    first = await peer(http).whip("show", NumberedTrack())
    await wait_for_state(http, "show", "live")
    await start(http)
    await recorded(http, 0.5)
    await peer(http).whip("show", NumberedTrack(width=640, height=480))
    async with asyncio.timeout(20):
        while (await recording_of(http))["parts"] < 2:
            await asyncio.sleep(0.05)
    await recorded(http, 2)
    ended = await stop(http)
    assert ended["parts"] == 2 and ended["id"].endswith("-2")
    movies = [await asyncio.to_thread(Movie, path) for path in sorted(tmp_path.iterdir())]
    assert {size for movie in movies for size in movie.sizes} == {(320, 240), (640, 480)}
    assert all(len(movie.sizes) == 1 for movie in movies)
    await first.aclose()


async def test_a_publisher_that_shrinks_for_its_network_stays_in_one_file(http, peer, tmp_path):
    class Shrinking(NumberedTrack):
        async def recv(self):
            self._size = (640, 480) if self._number // 30 % 2 == 0 else (320, 240)
            return await super().recv()

    await peer(http).whip("show", Shrinking())
    await wait_for_state(http, "show", "live")
    await start(http)
    await recorded(http, 4)
    ended = await stop(http)
    movie = await asyncio.to_thread(Movie, tmp_path / ended["file"])
    assert movie.sizes == {(640, 480)} and movie.seconds > 2
    assert never_backwards(movie.numbers), movie.numbers
    assert max(b - a for a, b in pairwise(movie.times)) < 1


async def test_a_text_session_is_computed_for_its_recording_alone(http, tmp_path):
    made = await http.post("/sessions", json={"name": "show", "pipeline": "test-counter"})
    assert (await made.json())["state"] == "paused"
    await start(http)
    await recorded(http, 1)
    assert (await (await http.get("/sessions/show")).json())["state"] == "live"
    ended = await stop(http)
    assert (await (await http.get("/sessions/show")).json())["state"] == "paused"
    movie = await asyncio.to_thread(Movie, tmp_path / ended["file"])
    assert len(movie.times) > 10 and movie.sizes == {(320, 240)}


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ({"max_length_s": 1.0}, "recording.max_length_s"),
        ({"max_bytes": 1500}, "recording.max_bytes"),
    ],
)
async def test_a_limit_ends_it_and_says_so(server, peer, tmp_path, limit, names):
    http = await server(recording={"dir": str(tmp_path), "min_free_bytes": 0, **limit})
    await peer(http).whip("show", NumberedTrack())
    await wait_for_state(http, "show", "live")
    begun = await start(http)
    async with asyncio.timeout(30):
        while await recording_of(http):
            await asyncio.sleep(0.05)
    session = await wait_for_state(http, "show", "live")
    assert any(names in warning for warning in session["warnings"])
    movie = await asyncio.to_thread(Movie, tmp_path / begun["file"])
    assert len(movie.numbers) > 10
    if "max_bytes" in limit:
        refused = await http.post("/sessions/show/recording")
        assert refused.status == 503
        assert (await refused.json())["error"]["code"] == "limit_reached"


async def test_too_little_room_refuses_the_start(server, peer, tmp_path):
    http = await server(recording={"dir": str(tmp_path), "min_free_bytes": 1 << 60})
    await peer(http).whip("show", NumberedTrack())
    refused = await http.post("/sessions/show/recording")
    assert refused.status == 503 and "min_free_bytes" in await refused.text()
    assert await recording_of(http) is None


async def test_a_folder_that_cannot_be_made_is_named(server, peer, tmp_path):
    (tmp_path / "file").write_text("")
    http = await server(recording={"dir": str(tmp_path / "file/below")})
    await peer(http).whip("show", NumberedTrack())
    refused = await http.post("/sessions/show/recording")
    assert refused.status == 503 and "recording.dir" in await refused.text()


async def test_the_sessions_end_ends_the_file(http, peer, tmp_path):
    await peer(http).whip("show", NumberedTrack())
    begun = await start(http)
    await recorded(http, 0.5)
    assert (await http.delete("/sessions/show")).status == 204
    movie = await asyncio.to_thread(Movie, tmp_path / begun["file"])
    assert movie.numbers


async def test_a_session_that_ends_while_a_recording_begins_leaves_none(
    http, peer, tmp_path, monkeypatch
):
    began, may_go, prepare = threading.Event(), threading.Event(), Shelf.prepare

    def slowly(shelf: Shelf) -> None:
        began.set()
        assert may_go.wait(30)
        prepare(shelf)

    monkeypatch.setattr(Shelf, "prepare", slowly)
    await peer(http).whip("show", NumberedTrack())
    starting = asyncio.create_task(http.post("/sessions/show/recording"))
    assert await asyncio.to_thread(began.wait, 30)
    assert (await http.delete("/sessions/show")).status == 204
    may_go.set()
    refused = await starting
    assert refused.status == 409 and "has ended" in await refused.text()
    assert not list(tmp_path.glob("*.mp4"))
    assert not [one for one in threading.enumerate() if one.name == "recorder"]


async def test_it_works_with_workers(peer, tmp_path):
    http = await start_with_workers(recording={"dir": str(tmp_path), "min_free_bytes": 0})
    try:
        await peer(http).whip("show", NumberedTrack())
        begun = await start(http)
        await recorded(http, 1)
        assert (await http.delete(f"/recordings/{begun['id']}")).status == 409
        await stop(http)
        reply = await http.get(f"/recordings/{begun['id']}")
        assert await reply.read() == (tmp_path / begun["file"]).read_bytes()
        assert (await http.delete(f"/recordings/{begun['id']}")).status == 204
    finally:
        await http.close()


async def test_a_killed_servers_file_plays_and_is_listed_again(tmp_path, peer):
    environment = os.environ | {
        "LIGHTMILL_RECORDING__DIR": str(tmp_path),
        "LIGHTMILL_RECORDING__MIN_FREE_BYTES": "0",
        "LIGHTMILL_RECORDING__KEYFRAME_S": "0.5",
    }
    process, url = await serve(environment)
    async with aiohttp.ClientSession(url) as http:
        client = await peer(http).whip("show", NumberedTrack())
        begun = await start(http)
        await recorded(http, 3)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await client.pc.close()
    movie = await asyncio.to_thread(Movie, tmp_path / begun["file"])
    assert never_backwards(movie.numbers), movie.numbers
    assert movie.seconds > 2 and movie.sound
    process, url = await serve(environment)
    async with aiohttp.ClientSession(url) as http:
        (listed,) = (await (await http.get("/recordings")).json())["recordings"]
        assert (listed["id"], listed["state"]) == (begun["id"], "done")
    process.terminate()
    await process.wait()


async def serve(environment: dict[str, str]) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "lightmill",
        *("serve", "--port", "0"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    return process, line.split("http://")[1].split()[0].join(("http://", ""))


def begins(levels: list[tuple[float, float]], threshold: float) -> list[float]:
    """The times at which a level rises above the threshold."""
    return [b for (_, x), (b, y) in pairwise(levels) if x <= threshold < y]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("sound", "delay_ms"), [("opus", 0), ("aac", 100)])
async def test_flash_and_beep_stay_together(server, tmp_path, sound, delay_ms):
    http = await server(recording={"dir": str(tmp_path), "min_free_bytes": 0, "audio": sound})
    clip = tmp_path / "clip.mkv"
    await asyncio.to_thread(write_clip, clip, 40)
    chunks = {"size": 12, "delay_ms": delay_ms}
    pipeline, settings = ("test-chunks", chunks) if delay_ms else ("passthrough", {})
    await http.post("/sessions", json={"name": "show", "pipeline": pipeline, "settings": settings})
    publisher = await asyncio.to_thread(Publisher, clip, str(http.make_url("/whip/show")))
    try:
        await wait_for_state(http, "show", "live")
        for _ in range(3):  # other programs on the machine may disturb one
            await start(http)
            await recorded(http, 8)
            skews = skews_ms(tmp_path / (await stop(http))["file"])
            print(f"{sound}, {delay_ms} ms: median {median(skews):+.1f} ms of {skews}")
            if abs(median(skews)) <= 45:
                return
    finally:
        await asyncio.to_thread(publisher.close)
    pytest.fail("sound and picture are apart in three recordings")


def skews_ms(recording: Path) -> list[float]:
    """Each flash's distance to the nearest beep; positive where sound is late."""
    with av.open(str(recording)) as container:
        pictures = [
            (float(frame.time), float(frame.to_ndarray(format="gray").mean()))
            for frame in container.decode(video=0)
        ]
    with av.open(str(recording)) as container:
        resampler = av.AudioResampler("flt", "mono", 48_000, 240)  # every 5 ms
        pieces = [one for frame in container.decode(audio=0) for one in resampler.resample(frame)]
    beeps = begins([(one.time, float(abs(one.to_ndarray()).max())) for one in pieces], 0.1)
    beeps = [b for a, b in pairwise([-1.0, *beeps]) if b - a > 0.5]
    flashes = begins(pictures, 128)
    skews = [
        1000 * min((beep - flash for beep in beeps), key=abs) for flash in flashes if flash > 2
    ]
    assert len(skews) >= 5
    return skews
