"""One encoder, many viewers: every viewer gets the same packets, none waits for another."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from lightmill.errors import Closed
from lightmill.media.frames import OutgoingFrame


class PacketFanout:
    """Hands each published frame to every subscription.

    Each subscription has a queue of ``queue_frames``. When one is full, its viewer is too slow:
    the queue is emptied, what was in it is counted as skipped, ``on_keyframe_needed`` is called,
    and the viewer gets nothing more until the next keyframe. The others notice nothing.

    All methods belong to one event loop's thread.
    """

    def __init__(self, on_keyframe_needed: Callable[[], None], queue_frames: int) -> None:
        if queue_frames < 1:
            raise ValueError(f"queue_frames must be at least 1, not {queue_frames}")
        self._on_keyframe_needed = on_keyframe_needed
        self._queue_frames = queue_frames
        self._subscriptions: set[Subscription] = set()
        self._listeners: set[Callable[[OutgoingFrame], None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._subscriptions) + len(self._listeners)

    @property
    def n_viewers(self) -> int:
        """Those that have a queue."""
        return len(self._subscriptions)

    def listen(self, take: Callable[[OutgoingFrame], None]) -> None:
        """Call ``take`` with every frame from now on, and ask for a keyframe.

        It is called where frames are published, so it must be quick and never raise.
        """
        if not self._closed:
            self._listeners.add(take)
            self._on_keyframe_needed()

    def unlisten(self, take: Callable[[OutgoingFrame], None]) -> None:
        """Call it no more. Idempotent."""
        self._listeners.discard(take)

    def subscribe(self) -> Subscription:
        """Add a viewer and ask for a keyframe, which is the first packet it gets.

        Raises:
            Closed: the fan-out is closed.

        """
        if self._closed:
            raise Closed("the fan-out is closed; no viewer can be added")
        subscription = Subscription(
            self._queue_frames, self._on_keyframe_needed, self._subscriptions.discard
        )
        self._subscriptions.add(subscription)
        self._on_keyframe_needed()
        return subscription

    def publish(self, frame: OutgoingFrame) -> None:
        """Offer ``frame`` to every viewer; never blocks."""
        for subscription in tuple(self._subscriptions):
            subscription.offer(frame)
        for take in tuple(self._listeners):
            take(frame)

    def close(self) -> None:
        """End every subscription after the packets it still holds; closing again does nothing."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.finish()
        self._subscriptions.clear()
        self._listeners.clear()


class Subscription:
    """One viewer's packets, beginning with a keyframe. `PacketFanout.subscribe` makes it."""

    def __init__(
        self,
        queue_frames: int,
        on_keyframe_needed: Callable[[], None],
        on_close: Callable[[Subscription], None],
    ) -> None:
        self._queue: deque[OutgoingFrame] = deque()
        self._queue_frames = queue_frames
        self._on_keyframe_needed = on_keyframe_needed
        self._on_close = on_close
        self._arrived = asyncio.Event()
        self._finished = False
        self.skipped = 0
        """Packets that this viewer lost by being too slow; those before its start do not count."""
        self.waiting_for_keyframe = True
        self._started = False

    async def recv(self) -> OutgoingFrame:
        """Return the next packet; cancelling it loses none.

        Raises:
            Closed: the subscription or the whole fan-out has ended.

        """
        while not self._queue:
            if self._finished:
                raise Closed("the subscription has ended")
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def hold(self) -> None:
        """Discard what is queued and go on with the next keyframe, which is not asked for."""
        self.skipped += len(self._queue)
        self._queue.clear()
        self.waiting_for_keyframe = True

    def close(self) -> None:
        """Leave the fan-out and discard what is queued; closing again does nothing."""
        self._queue.clear()
        self.finish()
        self._on_close(self)

    def offer(self, frame: OutgoingFrame) -> None:
        """Queue ``frame`` by the rules of `PacketFanout`; only that class calls this."""
        if self._finished:
            return
        if len(self._queue) >= self._queue_frames:
            self.skipped += len(self._queue)
            self._queue.clear()
            self.waiting_for_keyframe = True
            if not frame.keyframe:
                self._on_keyframe_needed()
        if self.waiting_for_keyframe and not frame.keyframe:
            self.skipped += self._started
            return
        self.waiting_for_keyframe = False
        self._started = True
        self._queue.append(frame)
        self._arrived.set()

    def finish(self) -> None:
        """Accept no more packets; `recv` raises once the queue is empty."""
        self._finished = True
        self._arrived.set()


class KeyframeGate:
    """Turns many requests for a keyframe into few: at most one each ``min_interval_s``.

    A request that comes too early is not lost; it is granted when the interval has passed.
    """

    def __init__(self, min_interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.min_interval_s = min_interval_s
        self._clock = clock
        self._requested = False
        self._last: float | None = None

    @property
    def requested(self) -> bool:
        """Whether a request waits to be granted."""
        return self._requested

    def request(self) -> None:
        """Ask for a keyframe; safe from any thread."""
        self._requested = True

    def take(self, now: float | None = None) -> bool:
        """Return whether the frame encoded at ``now`` shall be a keyframe; that answers all."""
        if not self._requested:
            return False
        now = self._clock() if now is None else now
        if self._last is not None and now - self._last < self.min_interval_s:
            return False
        self.sent(now)
        return True

    def sent(self, now: float | None = None) -> None:
        """Note a keyframe that the encoder made by itself; it answers every request so far."""
        self._requested = False
        self._last = self._clock() if now is None else now
