"""JPEGs of a session for clients without WebRTC: one encode for all who ask for the same."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic

import av

from lightmill.errors import Closed, LimitReached
from lightmill.media.frames import MediaFrame
from lightmill.media.stills import encode_small_jpeg
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Throttle
from lightmill.session.host import PreviewPicture, PreviewRequest

logger = logging.getLogger(__name__)

LINGER_S = 5.0
"""A feed lives this long after somebody asked it last; a slow client is back by then."""
WAIT_S = 5.0
"""Most seconds that one question waits for a newer picture."""
EARLY = 0.25
"""Share of an interval by which a picture may come too early and still be taken."""
MAX_FEEDS = 32
"""Different requests of one session at a time; each costs its own encode."""


class Previews:
    """All previews of one session, owned and closed by it; everything but encoding is on the loop."""

    def __init__(self, threads: CodecThreads, on_change: Callable[[], None]) -> None:
        """``on_change`` is called when `wants` may have changed."""
        self._threads = threads
        self._on_change = on_change
        self._feeds: dict[PreviewRequest, _Feed] = {}
        self._numbers = itertools.count(1)
        self._closed = False

    def wants(self, of: str) -> bool:
        """Whether anybody looks at the ``input`` or the ``output``."""
        return any(request.of == of for request in self._feeds)

    def offer(self, of: str, frame: MediaFrame) -> None:
        """Show a picture to those feeds whose time has come."""
        for request, feed in self._feeds.items():
            if request.of == of:
                feed.offer(frame.frame)

    async def next(self, request: PreviewRequest, after: int) -> PreviewPicture:
        """The newest picture, once its number is higher than ``after``; empty after `WAIT_S`.

        Raises:
            LimitReached: `MAX_FEEDS` others are looked at.
            Closed: the session has ended.

        """
        if self._closed:
            raise Closed("the session has ended")
        feed = self._feeds.get(request)
        if feed is None:
            if len(self._feeds) >= MAX_FEEDS:
                raise LimitReached(
                    f"{MAX_FEEDS} different previews are looked at, the most allowed"
                )
            feed = self._feeds[request] = _Feed(
                request, self._threads, self._numbers, partial(self._drop, request)
            )
            self._on_change()
        return await feed.next(after)

    def _drop(self, request: PreviewRequest) -> None:
        if self._feeds.pop(request, None) is not None:
            self._on_change()

    def close(self) -> None:
        """End every feed; who waits gets `Closed`. Idempotent."""
        self._closed = True
        feeds, self._feeds = list(self._feeds.values()), {}
        for feed in feeds:
            feed.close()


class _Feed:
    """One stream of JPEGs; while one is encoded, pictures pass by."""

    def __init__(
        self,
        request: PreviewRequest,
        threads: CodecThreads,
        numbers: itertools.count[int],
        on_unused: Callable[[], None],
    ) -> None:
        self._request = request
        self._threads = threads
        self._numbers = numbers
        self._on_unused = on_unused
        self._loop = asyncio.get_running_loop()
        self._newest = PreviewPicture(0, b"")
        self._news = asyncio.Event()
        self._due = 0.0
        self._busy = False
        self._closed = False
        self._n_waiting = 0
        self._throttle = Throttle()
        self._timer = self._loop.call_later(LINGER_S, self._leave)

    def offer(self, picture: av.VideoFrame) -> None:
        now, interval = monotonic(), 1 / self._request.fps
        if self._busy or now < self._due - EARLY * interval:
            return
        self._due = max(self._due + interval, now)
        self._busy = True
        self._threads.submit(partial(self._work, picture))

    def _work(self, picture: av.VideoFrame) -> None:
        """In a codec thread."""
        jpeg: bytes | Exception
        try:
            jpeg = encode_small_jpeg(picture, self._request.width)
        except Exception as error:  # whatever a codec raises stays this preview's
            jpeg = error
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, jpeg)

    def _done(self, jpeg: bytes | Exception) -> None:
        self._busy = False
        if isinstance(jpeg, Exception):
            if self._throttle.ready(monotonic()):
                logger.warning("a preview picture is left out: %s", jpeg)
            return
        self._newest = PreviewPicture(next(self._numbers), jpeg)
        self._news.set()
        self._news = asyncio.Event()

    async def next(self, after: int) -> PreviewPicture:
        self._timer.cancel()
        self._n_waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                while self._newest.number <= after and not self._closed:
                    await self._news.wait()
        except TimeoutError:
            return PreviewPicture(after, b"")
        finally:
            self._n_waiting -= 1
            if not self._n_waiting and not self._closed:
                self._timer.cancel()
                self._timer = self._loop.call_later(LINGER_S, self._leave)
        if self._closed:
            raise Closed("the session has ended")
        return self._newest

    def _leave(self) -> None:
        self._on_unused()
        self.close()

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()
        self._news.set()
