"""One session's output: what viewers get while no new picture comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import av
import pytest

from lightmill.config import MediaConfig
from lightmill.media.frames import MediaFrame
from lightmill.media.threads import CodecThreads
from lightmill.session.broadcast import STILL_AFTER_S, Broadcast


@pytest.fixture
async def broadcast() -> AsyncIterator[Broadcast]:
    threads = CodecThreads(1)
    broadcast = Broadcast(MediaConfig(), threads, lambda: None, lambda _: None)
    yield broadcast
    await broadcast.aclose()
    threads.close()


async def test_a_still_is_a_picture_of_its_moment_and_no_measure_of_delay(broadcast: Broadcast):
    first, second = broadcast.join("VP8"), broadcast.join("VP8")
    async with asyncio.timeout(10):
        watching = asyncio.create_task(first.recv())
        await asyncio.sleep(0)
        now = monotonic()
        picture = av.VideoFrame(64, 64, "yuv420p")
        broadcast.playout.push([MediaFrame(picture, now, dequeued=now, inferred=now)])
        live = await watching
        still = await second.recv()  # it comes when nothing has been shown for a while
    assert live.keyframe and still.keyframe
    assert still.timestamp - live.timestamp >= STILL_AFTER_S * 90_000
    await asyncio.sleep(0)
    assert len(broadcast.latency["total"]) == 1
