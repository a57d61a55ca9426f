"""Video decoding off the event loop: one frame at a time, a bounded wait, drop to the keyframe."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from lightmill.media.assembly import AssembledFrame
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

DECODERS = {"H264": "h264", "VP8": "vp8"}
"""FFmpeg's own decoders; its ``vp8`` is faster than libvpx."""
MAX_WAITING = 6
"""Encoded frames that wait for the decoder: 0.2 s at 30 fps. One more, and all are dropped."""


class VideoDecoder:
    """Decodes one stream, ``H264`` or ``VP8``, in whatever thread calls it; one at a time."""

    def __init__(self, codec: str, max_pixels: int) -> None:
        """Open it; a picture of more than ``max_pixels`` is refused before it costs memory."""
        self.codec = codec
        self._context = cast("VideoCodecContext", av.CodecContext.create(DECODERS[codec], "r"))
        # Frame threads add a frame of delay each, and the sessions share the cores already.
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(max_pixels)}

    def decode(self, data: bytes) -> list[av.VideoFrame]:
        """Decode one complete frame (H.264 as Annex B).

        Raises:
            FFmpegError: the data is broken; the next keyframe repairs it.

        """
        return self._context.decode(av.Packet(data))


class DecodeQueue:
    """Feeds a decoder in a codec thread and gives its frames back on the event loop.

    At most ``MAX_WAITING`` encoded frames wait. When one more comes, all are dropped and counted
    and ``on_trouble`` asks for a keyframe, as it does after a frame that does not decode. All
    methods belong to the loop's thread.
    """

    def __init__(
        self,
        threads: CodecThreads,
        max_pixels: int,
        on_frame: Callable[[av.VideoFrame, AssembledFrame], None],
        on_trouble: Callable[[], None],
    ) -> None:
        self._threads = threads
        self._max_pixels = max_pixels
        self._on_frame = on_frame
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._decoder: VideoDecoder | None = None
        self._waiting: deque[tuple[str, AssembledFrame]] = deque()
        self._busy = False
        self._closed = False
        self._throttle = Throttle()
        self.dropped = 0

    def put(self, codec: str, frame: AssembledFrame) -> None:
        """Decode ``frame`` after those that wait."""
        if self._closed:
            return
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            if not frame.keyframe:
                self.dropped += 1
                self._on_trouble()
                return
        self._waiting.append((codec, frame))
        self._next()

    def _next(self) -> None:
        if self._waiting and not self._busy:
            self._busy = True
            self._threads.submit(partial(self._work, *self._waiting.popleft()))

    def _work(self, codec: str, frame: AssembledFrame) -> None:
        """In a codec thread."""
        pictures: list[av.VideoFrame] | Exception
        try:
            if self._decoder is None or self._decoder.codec != codec:
                self._decoder = VideoDecoder(codec, self._max_pixels)
            pictures = self._decoder.decode(frame.data)
        except Exception as error:  # whatever a decoder raises stays this stream's
            pictures = error
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, frame, pictures)

    def _done(self, frame: AssembledFrame, pictures: list[av.VideoFrame] | Exception) -> None:
        self._busy = False
        if self._closed:
            self._decoder = None
            return
        if isinstance(pictures, Exception) or any(picture.is_corrupt for picture in pictures):
            self._refuse(pictures)
        else:
            for picture in pictures:
                self._on_frame(picture, frame)
        self._next()

    def _refuse(self, reason: object) -> None:
        self.dropped += 1 + len(self._waiting)
        self._waiting.clear()
        if self._throttle.ready(monotonic()):
            logger.info("%d frames did not decode: %s", self._throttle.count, reason)
        self._on_trouble()

    def close(self) -> None:
        """Forget what waits and free the decoder, after the frame it may be at. Idempotent."""
        self._closed = True
        self._waiting.clear()
        if not self._busy:
            self._decoder = None
