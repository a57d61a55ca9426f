"""One encode for all who ask for the same; who is slow gets the newest."""

from __future__ import annotations

import asyncio

import av
import pytest

from lightmill.errors import Closed, LimitReached
from lightmill.media.frames import MediaFrame
from lightmill.media.threads import CodecThreads
from lightmill.session.host import PreviewRequest
from lightmill.session.preview import MAX_FEEDS, Previews

WISH = PreviewRequest("output", 60.0, 32)


@pytest.fixture
def threads():
    threads = CodecThreads(1)
    yield threads
    threads.close()


def picture() -> MediaFrame:
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return MediaFrame(frame, 0.0)


async def shown(previews: Previews, after: int = 0):
    """Offer pictures until one newer than ``after`` is there."""
    asked = asyncio.ensure_future(previews.next(WISH, after))
    while not asked.done():
        previews.offer("output", picture())
        await asyncio.sleep(0.01)
    return await asked


async def test_equal_requests_share_the_very_same_bytes(threads):
    previews = Previews(threads, lambda: None)
    both = [asyncio.ensure_future(previews.next(WISH, 0)) for _ in range(2)]
    await asyncio.sleep(0)
    previews.offer("output", picture())
    first, second = await asyncio.gather(*both)
    assert first.jpeg is second.jpeg and first.jpeg.startswith(b"\xff\xd8")
    previews.close()


async def test_a_slow_client_gets_the_newest_and_skips_the_others(threads):
    previews = Previews(threads, lambda: None)
    first = await shown(previews)
    newest = first
    for _ in range(3):
        newest = await shown(previews, newest.number)
    assert newest.number >= first.number + 3
    assert await previews.next(WISH, first.number) is newest
    previews.close()


async def test_only_what_is_looked_at_is_wanted_and_the_end_is_told(threads):
    changes: list[bool] = []
    previews = Previews(threads, lambda: changes.append(previews.wants("output")))
    assert not previews.wants("output")
    waiting = asyncio.ensure_future(previews.next(WISH, 0))
    await asyncio.sleep(0)
    assert previews.wants("output") and not previews.wants("input") and changes == [True]
    previews.close()
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        await previews.next(WISH, 0)


async def test_different_requests_are_bounded(threads):
    previews = Previews(threads, lambda: None)
    wishes = [PreviewRequest("output", 1.0, 16 + 2 * n) for n in range(MAX_FEEDS)]
    waiting = [asyncio.ensure_future(previews.next(wish, 0)) for wish in wishes]
    await asyncio.sleep(0)
    with pytest.raises(LimitReached):
        await previews.next(WISH, 0)
    previews.close()
    assert all(
        isinstance(e, Closed) for e in await asyncio.gather(*waiting, return_exceptions=True)
    )


async def test_a_feed_that_nobody_asks_goes(threads, monkeypatch):
    monkeypatch.setattr("lightmill.session.preview.LINGER_S", 0.01)
    gone = asyncio.Event()
    previews = Previews(threads, lambda: previews.wants("output") or gone.set())
    await shown(previews)
    await asyncio.wait_for(gone.wait(), 10)
