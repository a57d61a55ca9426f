from __future__ import annotations

import asyncio
from time import monotonic

import av
import numpy as np

from lightmill.config import MediaConfig
from lightmill.media.frames import MediaFrame
from lightmill.media.threads import CodecThreads
from lightmill.session.renditions import Renditions


def picture() -> MediaFrame:
    array = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return MediaFrame(av.VideoFrame.from_ndarray(array, format="rgb24"), monotonic())


async def test_a_viewer_that_was_held_goes_on_with_a_keyframe():
    threads = CodecThreads(1)
    config = MediaConfig(keyframe_interval_min_s=0.05)
    renditions = Renditions("VP8", config, threads, monotonic(), lambda _: None, lambda: None)
    viewers = [renditions.join() for _ in range(2)]
    got: list[list[bool]] = [[], []]

    async def watch(index: int) -> None:
        while True:
            got[index].append((await viewers[index].recv()).keyframe)

    watching = [asyncio.create_task(watch(index)) for index in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not all(got):
            renditions.offer(picture())
            await asyncio.sleep(0.02)
        viewers[0].hold()
        seen = len(got[0])
        while len(got[0]) == seen:
            renditions.offer(picture())
            await asyncio.sleep(0.02)
    assert got[0][seen]
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for viewer in viewers:
        renditions.leave(viewer)
    renditions.close()
    threads.close()
