"""A publisher's decoded frames, taken the moment they are there."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import cast

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from lightmill.media.frames import MediaFrame


async def ingest(track: MediaStreamTrack, feed: Callable[[MediaFrame], None]) -> None:
    """Drain ``track`` until it ends; each frame is stamped with its arrival and fed on.

    aiortc queues decoded frames without bound, so nothing here may wait for the pipeline.
    """
    while True:
        try:
            frame = cast("object", await track.recv())
        except MediaStreamError:
            return
        if isinstance(frame, av.VideoFrame):
            feed(MediaFrame(frame, monotonic()))
