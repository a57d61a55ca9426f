"""Real peers for the tests: aiortc publishers and viewers that speak HTTP to a real server."""

from __future__ import annotations

import asyncio
import fractions
import json
from contextlib import suppress
from time import monotonic
from typing import Any

import av
import numpy as np
from aiohttp.test_utils import TestClient
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError

BITS = 16
"""Frame numbers are drawn as this many black and white blocks, big enough for any codec."""


def numbered_picture(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    """Top half: the number in binary as blocks. Bottom half: red, green and blue bars."""
    picture = np.zeros((height, width, 3), np.uint8)  # (H, W, 3)
    block = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            picture[: height // 2, bit * block : (bit + 1) * block] = 255
    third = width // 3
    for channel in range(3):
        picture[height // 2 :, channel * third : (channel + 1) * third, channel] = 200
    return picture


def read_number(frame: av.VideoFrame) -> int:
    """The number that `numbered_picture` drew."""
    luma = frame.to_ndarray(format="gray")
    block = frame.width // BITS
    row = luma[frame.height // 4 - 8 : frame.height // 4 + 8]
    return sum(
        1 << bit
        for bit in range(BITS)
        if row[:, bit * block + block // 4 : (bit + 1) * block - block // 4].mean() > 128
    )


class NumberedTrack(VideoStreamTrack):
    """A camera at ``fps`` whose pictures carry their number; remembers when each was sent.

    With ``noise`` the lower half snows, so that it fills whatever bit rate there is.
    """

    def __init__(
        self, fps: float = 30, width: int = 320, height: int = 240, *, noise: bool = False
    ) -> None:
        super().__init__()
        self.sent_at: dict[int, float] = {}
        self._fps = fps
        self._size = (width, height)
        self._snow = np.random.default_rng(1) if noise else None
        self._number = 0
        self._started: float | None = None

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = monotonic()
        if self._started is None:
            self._started = now
        await asyncio.sleep(self._started + self._number / self._fps - now)
        picture = numbered_picture(self._number, *self._size)
        if self._snow is not None:
            lower = picture[picture.shape[0] // 2 :]
            lower[:] = self._snow.integers(0, 256, lower.shape, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = round(self._number / self._fps * 90_000)
        frame.time_base = fractions.Fraction(1, 90_000)
        self.sent_at[self._number] = monotonic()
        self._number += 1
        return frame


class Watcher:
    """Drains a received track and keeps what the tests ask about."""

    def __init__(self, track: MediaStreamTrack, *, numbered: bool = True) -> None:
        self.seen: list[tuple[float, int]] = []
        self.last: av.VideoFrame | None = None
        self.n_frames = 0
        self.ended = asyncio.Event()
        self._numbered = numbered
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._drain(track))

    async def _drain(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                self.ended.set()
                return
            assert isinstance(frame, av.VideoFrame)
            self.last = frame
            self.n_frames += 1
            if self._numbered:
                self.seen.append((monotonic(), read_number(frame)))
            async with self._news:
                self._news.notify_all()

    async def until(self, condition: Any, timeout_s: float = 15) -> None:
        """Wait until ``condition(self)`` holds after some frame."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: self.n_frames and condition(self))

    async def frames(self, count: int, timeout_s: float = 15) -> None:
        goal = self.n_frames + count
        await self.until(lambda watcher: watcher.n_frames >= goal, timeout_s)

    async def aclose(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class Control:
    """The client's end of the data channel ``control``."""

    def __init__(self, channel: RTCDataChannel) -> None:
        self.states: list[dict[str, Any]] = []
        self.pushed: list[dict[str, Any]] = []
        self.opened = asyncio.Event()
        self._channel = channel
        self._next = 0
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        channel.on("open", self.opened.set)
        channel.on("message", self._on_message)

    def _on_message(self, data: str) -> None:
        message = json.loads(data)
        reply = self._replies.pop(message["id"], None) if "id" in message else None
        if reply is not None:
            reply.set_result(message)
        elif message["type"] == "state":
            self.states.append(message["session"])
        else:
            self.pushed.append(message)

    def post(self, message: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        self._next += 1
        reply = asyncio.get_running_loop().create_future()
        self._replies[self._next] = reply
        self._channel.send(json.dumps({"id": self._next, **message}))
        return reply

    async def ask(self, **message: Any) -> dict[str, Any]:
        await asyncio.wait_for(self.opened.wait(), 10)
        return await asyncio.wait_for(self.post(message), 10)

    def send_raw(self, text: str) -> None:
        self._channel.send(text)


class PeerClient:
    """One client connection; ``resource`` is what DELETE takes."""

    def __init__(self, http: TestClient[Any, Any]) -> None:
        self.http = http
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.resource = ""
        self.session = ""
        self.watcher: Watcher | None = None
        self._has_watcher = asyncio.Event()
        self.control: Control | None = None

    async def offer(
        self, track: MediaStreamTrack | None, *, numbered: bool = True, **body: Any
    ) -> PeerClient:
        """Join through ``/offer`` with a camera, or without one in text mode."""
        if track is None:
            self.pc.addTransceiver("video", "recvonly")
        else:
            self.pc.addTrack(track)
        self.control = Control(self.pc.createDataChannel("control"))
        self._watch(numbered)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        reply = await self.http.post(
            "/offer", json={"sdp": self.pc.localDescription.sdp, "type": "offer", **body}
        )
        answer = await reply.json()
        assert reply.status == 200, answer
        self.resource, self.session = answer["resource"], answer["session"]
        await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return self

    async def whip(self, session: str, track: MediaStreamTrack, query: str = "") -> PeerClient:
        self.pc.addTransceiver(track, "sendonly")
        return await self._sdp_post(f"/whip/{session}{query}")

    async def whep(self, session: str, *, numbered: bool = True) -> PeerClient:
        self.pc.addTransceiver("video", "recvonly")
        self._watch(numbered)
        return await self._sdp_post(f"/whep/{session}")

    async def _sdp_post(self, path: str) -> PeerClient:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        reply = await self.http.post(
            path, data=self.pc.localDescription.sdp, headers={"Content-Type": "application/sdp"}
        )
        text = await reply.text()
        assert reply.status == 201, text
        self.resource = reply.headers["Location"]
        await self.pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
        return self

    def _watch(self, numbered: bool) -> None:
        @self.pc.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "video":
                self.watcher = Watcher(track, numbered=numbered)
                self._has_watcher.set()

    async def watcher_ready(self) -> None:
        """Wait until the outgoing track of the server is here."""
        await asyncio.wait_for(self._has_watcher.wait(), 10)

    async def delete(self) -> int:
        reply = await self.http.delete(self.resource)
        return reply.status

    async def aclose(self) -> None:
        await self.pc.close()
        if self.watcher is not None:
            await self.watcher.aclose()
