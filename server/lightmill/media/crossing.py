"""From a reading thread to the event loop: the newest picture, a second of sound, every message."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import av

MAX_PACKETS = 50
"""Sound that waits for a busy loop: a second. Then the oldest goes."""


class Crossing:
    """Made on the loop; `put_frame`, `put_sound` and `call` belong to any thread.

    One picture waits; a newer one replaces it, which is counted. What is given after the loop has
    closed is lost.
    """

    def __init__(
        self,
        on_frame: Callable[[av.VideoFrame], None],
        on_sound: Callable[[bytes, float, float], None],
    ) -> None:
        self.dropped = 0
        self._on_frame = on_frame
        self._on_sound = on_sound
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._frame: av.VideoFrame | None = None
        self._sound: deque[tuple[bytes, float, float]] = deque(maxlen=MAX_PACKETS)
        self._woken = False

    def put_frame(self, frame: av.VideoFrame) -> None:
        with self._lock:
            self.dropped += self._frame is not None
            self._frame = frame
            wakes, self._woken = not self._woken, True
        if wakes:
            self.call(self._take)

    def put_sound(self, payload: bytes, media_s: float, due: float) -> None:
        with self._lock:
            self._sound.append((payload, media_s, due))
            wakes, self._woken = not self._woken, True
        if wakes:
            self.call(self._take)

    def call(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)

    def _take(self) -> None:
        with self._lock:
            frame, self._frame = self._frame, None
            packets = list(self._sound)
            self._sound.clear()
            self._woken = False
        for packet in packets:
            self._on_sound(*packet)
        if frame is not None:
            self._on_frame(frame)
