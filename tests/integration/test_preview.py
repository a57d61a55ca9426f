"""The MJPEG preview, read by a real HTTP client."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager, suppress
from typing import Any

import av
import pytest
from aiohttp import ClientError, MultipartReader

from lightmill.errors import LimitReached
from lightmill.session.host import PreviewPicture, PreviewRequest
from lightmill.session.local import LocalSessionHost
from tests.integration.clips import write_clip
from tests.integration.peers import read_number

N_FRAMES = 60


@pytest.fixture
async def http(server, tmp_path, request):
    """A session ``tv`` that shows a looped clip; parameters are further flags."""
    write_clip(tmp_path / "clip.mp4", N_FRAMES)
    flags = getattr(request, "param", {})
    client = await server(sources={"dir": str(tmp_path)}, **flags)
    source = {"url": "clip.mp4", "loop": True}
    reply = await client.post("/sessions", json={"name": "tv", "source": source})
    assert reply.status == 201, await reply.text()
    return client


class Reader:
    """Takes pictures out of the reply as a browser does: part by part."""

    def __init__(self, reply: Any) -> None:
        self._parts = MultipartReader.from_response(reply)

    async def picture(self) -> av.VideoFrame:
        async with asyncio.timeout(30):
            part = await self._parts.next()
            assert part is not None and part.headers["Content-Type"] == "image/jpeg"
            jpeg = await part.read()
        with av.open(io.BytesIO(bytes(jpeg)), format="jpeg_pipe") as container:
            return next(container.decode(video=0))


@asynccontextmanager
async def preview(http: Any, query: str = "", name: str = "tv"):
    async with http.get(f"/sessions/{name}/preview.mjpeg{query}") as reply:
        assert reply.status == 200, await reply.text()
        assert reply.content_type == "multipart/x-mixed-replace"
        yield Reader(reply)


async def numbers(reader: Reader, count: int) -> list[int]:
    """The numbers of ``count`` pictures that show the clip, not a card."""
    found: list[int] = []
    while len(found) < count:
        number = read_number(await reader.picture())
        if number < N_FRAMES:
            found.append(number)
    return found


@pytest.mark.parametrize(
    "http", [{}, {"server": {"workers": 1}, "rtc": {"udp_port": 0}}], indirect=True
)
async def test_pictures_decode_and_move(http):
    async with preview(http, "?fps=15&width=320") as reader:
        assert len(set(await numbers(reader, 10))) > 3
    async with preview(http, "?of=input&width=160") as reader:
        picture = await reader.picture()
        assert (picture.width, picture.height) == (160, 120)


async def test_an_error_after_the_beginning_ends_the_stream_and_is_not_in_it(http, monkeypatch):
    whole = LocalSessionHost.preview

    async def once(host: Any, name: str, request: PreviewRequest, after: int) -> PreviewPicture:
        if after:
            raise LimitReached("as many as there may be are looked at")
        return await whole(host, name, request, after)

    monkeypatch.setattr(LocalSessionHost, "preview", once)
    async with http.get("/sessions/tv/preview.mjpeg") as reply:
        body = await reply.read()
    assert body.count(b"image/jpeg") == 1 and body.endswith(b"\r\n--picture\r\n")


async def test_it_is_never_made_larger(http):
    async with preview(http, "?width=1280") as reader:
        await numbers(reader, 1)
        picture = await reader.picture()
        assert (picture.width, picture.height) == (320, 240)


async def test_it_wakes_a_text_session(http):
    await http.post("/sessions", json={"name": "card", "pipeline": "testcard", "mode": "text"})
    assert (await (await http.get("/sessions/card")).json())["state"] == "paused"
    async with preview(http, name="card") as reader:
        first, second = await reader.picture(), await reader.picture()
        assert (first.to_ndarray() != second.to_ndarray()).any()
        assert (await (await http.get("/sessions/card")).json())["state"] == "live"


async def test_a_session_without_a_picture_shows_its_card(http):
    await http.post("/sessions", json={"name": "empty"})
    async with preview(http, name="empty") as reader:
        assert (await reader.picture()).width == 640


@pytest.mark.parametrize("http", [{"preview": {"max_clients": 1}}], indirect=True)
async def test_more_clients_than_allowed_are_told(http):
    async with preview(http) as reader:
        await reader.picture()
        reply = await http.get("/sessions/tv/preview.mjpeg")
        assert reply.status == 503 and reply.headers["Retry-After"]
        assert (await reply.json())["error"]["code"] == "limit_reached"

    async def has_room() -> bool:
        async with http.get("/sessions/tv/preview.mjpeg") as again:
            return again.status == 200

    async with asyncio.timeout(30):
        while not await has_room():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("query", "field"),
    [("fps=0", "fps"), ("fps=x", "fps"), ("width=9999", "width"), ("of=y", "of")],
)
async def test_wrong_parameters_are_named(http, query, field):
    reply = await http.get(f"/sessions/tv/preview.mjpeg?{query}")
    assert reply.status == 422
    assert (await reply.json())["error"]["fields"][0]["field"] == field


async def test_unknown_sessions_are_404(http):
    assert (await http.get("/sessions/nobody/preview.mjpeg")).status == 404


@pytest.mark.parametrize("ending", ["session", "server"])
async def test_it_ends_with_the_session_and_with_the_server(http, ending):
    async with http.get("/sessions/tv/preview.mjpeg") as reply:
        await reply.content.readuntil(b"image/jpeg")
        if ending == "session":
            await http.delete("/sessions/tv")
        else:
            await http.server.close()
        with suppress(ClientError):  # the server may cut it anywhere
            async with asyncio.timeout(30):
                await reply.content.read()
        assert reply.content.at_eof() or reply.content.exception()


async def test_it_takes_the_token(server):
    client = await server(server={"token": "t0ken"})
    assert (await client.get("/sessions/tv/preview.mjpeg")).status == 401
