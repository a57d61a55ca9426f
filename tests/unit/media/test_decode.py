"""The decoder's queue: what it does with trouble, and at its end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import av
import pytest
from av.error import FFmpegError

from lightmill.media import decode
from lightmill.media.assembly import AssembledFrame
from lightmill.media.decode import DecodeQueue, VideoDecoder
from lightmill.media.threads import CodecThreads
from tests.unit.media.streams import encoded


@pytest.fixture
def threads() -> Iterator[CodecThreads]:
    threads = CodecThreads(1)
    yield threads
    threads.close()


class Outcome:
    """Counts what comes out, and wakes who waits for it."""

    def __init__(self) -> None:
        self.pictures = self.troubles = 0
        self._changed = asyncio.Event()

    def picture(self, picture: av.VideoFrame, frame: AssembledFrame) -> None:
        self.pictures += 1
        self._changed.set()

    def trouble(self) -> None:
        self.troubles += 1
        self._changed.set()

    async def next(self) -> None:
        async with asyncio.timeout(10):
            await self._changed.wait()
        self._changed.clear()


def frames(codec: str, n: int) -> list[AssembledFrame]:
    data = encoded(codec, [True] * n)
    return [AssembledFrame(one, at * 3000, True, 0.0, 0.0) for at, one in enumerate(data)]


async def test_a_decoder_that_fails_in_any_way_goes_on_with_the_next_keyframe(
    threads: CodecThreads, monkeypatch: pytest.MonkeyPatch
):
    first, second = frames("VP8", 2)
    outcome = Outcome()
    queue = DecodeQueue(threads, 1 << 20, outcome.picture, outcome.trouble)
    with monkeypatch.context() as patch:
        patch.setattr(VideoDecoder, "decode", lambda *_: 1 // 0)
        queue.put("VP8", first)
        await outcome.next()
    assert (outcome.pictures, outcome.troubles) == (0, 1)
    queue.put("VP8", second)
    await outcome.next()
    assert (outcome.pictures, outcome.troubles) == (1, 1)
    queue.close()


@pytest.mark.parametrize("busy", [True, False])
async def test_a_closed_queue_gives_its_decoder_back(
    threads: CodecThreads, monkeypatch: pytest.MonkeyPatch, busy: bool
):
    decoders: list[weakref.ref[VideoDecoder]] = []

    class Watched(VideoDecoder):
        def __init__(self, codec: str, max_pixels: int) -> None:
            super().__init__(codec, max_pixels)
            decoders.append(weakref.ref(self))

    monkeypatch.setattr(decode, "VideoDecoder", Watched)
    first, second = frames("VP8", 2)
    outcome = Outcome()
    queue = DecodeQueue(threads, 1 << 20, outcome.picture, outcome.trouble)
    queue.put("VP8", first)
    await outcome.next()
    if busy:
        queue.put("VP8", second)
    queue.close()
    while busy := queue._busy:  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0.01)
    gc.collect()
    assert [one() for one in decoders] == [None]
    assert outcome.pictures == 1


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_picture_beyond_the_limit_is_refused(codec: str):
    (frame,) = frames(codec, 1)
    assert len(VideoDecoder(codec, 1 << 20).decode(frame.data)) <= 1
    with pytest.raises(FFmpegError):
        VideoDecoder(codec, 16).decode(frame.data)
