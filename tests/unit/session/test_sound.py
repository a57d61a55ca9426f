"""A session's sound: who is heard, what a viewer's queue keeps, what becomes of a chunk's sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from time import monotonic

import av
import numpy as np
import pytest

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame, OutgoingFrame
from lightmill.media.opus import Sound
from lightmill.media.rtp import RtpPacket
from lightmill.media.threads import CodecThreads
from lightmill.session.sound import VIEWER_PACKETS, SessionSound, SoundSubscription


@pytest.fixture
async def sound() -> AsyncIterator[SessionSound]:
    threads = CodecThreads(1)
    session = SessionSound(threads, 64_000)
    yield session
    session.close()
    threads.close()


def packet(number: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(96, False, number, number * 960, ssrc, b"%d" % number)


def frame(sound: Sound, at_s: float = 0.0) -> MediaFrame:
    now = monotonic()
    picture = MediaFrame(av.VideoFrame(16, 16, "yuv420p"), now, released=now, sound=sound)
    picture.sound_at_s = at_s
    return picture


async def listen(subscription: SoundSubscription, count: int) -> list[OutgoingFrame]:
    async with asyncio.timeout(5):
        return [await subscription.recv() for _ in range(count)]


async def test_every_viewer_gets_the_publishers_packets_untouched(sound: SessionSound):
    viewers = [sound.subscribe(), sound.subscribe()]
    waiting = [asyncio.create_task(listen(viewer, 3)) for viewer in viewers]
    await asyncio.sleep(0)
    for number in range(3):
        sound.feed(packet(number), monotonic())
    for heard in await asyncio.gather(*waiting):
        assert [one.payloads for one in heard] == [[b"0"], [b"1"], [b"2"]]
        assert [one.timestamp for one in heard] == [0, 960, 1920]
        assert [one.marker for one in heard] == [True, False, False]
    assert sound.describe(monotonic())["from"] == "publisher"


async def test_nothing_is_kept_for_a_viewer_that_is_not_connected_yet(sound: SessionSound):
    viewer = sound.subscribe()
    sound.feed(packet(0), monotonic())
    waiting = asyncio.create_task(viewer.recv())
    await asyncio.sleep(0)
    sound.feed(packet(1), monotonic())
    assert (await waiting).payloads == [b"1"]


async def test_a_slow_viewer_loses_the_oldest_and_a_closed_one_ends(sound: SessionSound):
    viewer = sound.subscribe()
    waiting = asyncio.create_task(viewer.recv())
    await asyncio.sleep(0)
    for number in range(VIEWER_PACKETS + 10):
        sound.feed(packet(number), monotonic())
    first = await waiting
    assert viewer.dropped == 10 and first.payloads == [b"10"]
    sound.unsubscribe(viewer)
    with pytest.raises(Closed):
        await viewer.recv()


async def test_the_pipelines_sound_replaces_the_publishers(sound: SessionSound):
    viewer = sound.subscribe()
    waiting = asyncio.create_task(listen(viewer, 11))
    await asyncio.sleep(0)
    sound.feed(packet(0), monotonic())
    made = Sound(np.zeros((1, 9_600), np.float32), 48_000)  # 0.2 s
    begun = monotonic()
    sound.frame_released(frame(made), begun)
    sound.frame_released(frame(made, 0.1), begun + 0.1)  # the same chunk's next frame
    sound.feed(packet(1), monotonic())
    heard = await waiting
    assert heard[0].payloads == [b"0"]
    assert b"1" not in [one.payloads[0] for one in heard]
    assert all(b.timestamp - a.timestamp == 960 for a, b in pairwise(heard[1:]))
    assert abs(heard[1].at - begun) < 1e-3
    assert monotonic() - begun > 0.15  # paced, although it was made at once
    assert sound.describe(monotonic())["from"] == "pipeline"


async def test_sound_starts_with_the_first_frame_that_is_shown(sound: SessionSound):
    viewer = sound.subscribe()
    waiting = asyncio.create_task(listen(viewer, 5))
    await asyncio.sleep(0)
    made = Sound(np.zeros((2, 9_600), np.float32), 48_000)
    sound.frame_released(frame(made, 0.1), monotonic())  # the frames before were dropped
    await waiting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await viewer.recv()
