"""One recording of a session, from start to file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lightmill.config import RecordingConfig
from lightmill.errors import Closed, Conflict, LightmillError, LimitReached, NotFound, Unavailable
from lightmill.media.recorder import Progress, Recorder
from lightmill.session.broadcast import Broadcast
from lightmill.session.shelf import SUFFIX, Shelf, new_id, part_id
from lightmill.session.tap import Tap

logger = logging.getLogger(__name__)

STUCK_S = 15.0
"""A disk that does not take the end of a file for so long is left to itself."""


class Recording:
    """A tap and the thread that writes what it takes; ``on_end`` is called in the loop's thread."""

    def __init__(
        self,
        session: str,
        broadcast: Broadcast,
        config: RecordingConfig,
        shelf: Shelf,
        on_end: Callable[[Recording], None],
    ) -> None:
        self.id = new_id(session, datetime.now(UTC))
        self.cause: str | None = None
        """Why it ended by itself."""
        self._config = config
        self._shelf = shelf
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._recorder = Recorder(
            lambda part: shelf.path(part_id(self.id, part)),
            config.audio,
            self._check,
            self._tell_end,
        )
        self._tap: Tap = broadcast.tap(self._recorder, config.keyframe_s)

    def describe(self) -> dict[str, Any]:
        """The RECORDING of ``docs/protocol.md``."""
        progress = self._recorder.progress
        state = "recording" if progress.part else "waiting"
        part = part_id(self.id, max(1, progress.n_parts))
        return {
            "id": part,
            "file": f"{part}{SUFFIX}",
            "state": "ended" if self._ended.is_set() else state,
            "parts": progress.n_parts,
            "duration_s": round(progress.duration_s, 3),
            "size_bytes": progress.size_bytes,
            "dropped": self._recorder.dropped,
        }

    def _check(self, progress: Progress) -> None:
        """In the recorder's thread."""
        if progress.duration_s >= self._config.max_length_s:
            raise LimitReached("the recording ended: it has recording.max_length_s")
        try:
            self._shelf.check_room()
        except Unavailable as limit:
            raise LimitReached(f"the recording ended: {limit}") from None

    def _tell_end(self, cause: LightmillError | None) -> None:
        """In the recorder's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end, cause)

    def _end(self, cause: LightmillError | None) -> None:
        self._tap.close()
        if cause is not None:
            self.cause = str(cause)
            logger.warning("%s: %s", self.id, cause)
        self._ended.set()
        self._on_end(self)

    async def stop(self) -> None:
        """End it and wait until its file is complete. Idempotent."""
        self._tap.close()
        self._recorder.finish()
        try:
            await asyncio.wait_for(self._ended.wait(), STUCK_S)
        except TimeoutError:
            logger.error("%s: the disk does not take the end of the file", self.id)


class RecordingDesk:
    """A session's recordings, one at a time; ``on_change`` hears when one begins or ends."""

    def __init__(
        self,
        session: str,
        broadcast: Broadcast,
        config: RecordingConfig,
        on_change: Callable[[], None],
    ) -> None:
        self.warning: str | None = None
        """Why the last one ended by itself."""
        self._session = session
        self._broadcast = broadcast
        self._config = config
        self._shelf = Shelf(config)
        self._on_change = on_change
        self._recording: Recording | None = None
        self._starting = False
        self._closed = False

    @property
    def active(self) -> bool:
        return self._recording is not None

    def describe(self) -> dict[str, Any] | None:
        """The ``recording`` of a SESSION."""
        return self._recording and self._recording.describe()

    async def start(self) -> dict[str, Any]:
        """Begin one.

        Raises:
            Closed: the session has ended.
            Conflict: one runs.
            Unavailable, LimitReached: there is no place for it.

        """
        if self._recording is not None or self._starting:
            raise Conflict(f"{self._session} is being recorded; stop that first")
        self._starting = True
        try:
            await asyncio.to_thread(self._shelf.prepare)
        finally:
            self._starting = False
        if self._closed:
            raise Closed(f"{self._session} has ended")
        self.warning = None
        self._recording = Recording(
            self._session, self._broadcast, self._config, self._shelf, self._ended
        )
        self._on_change()
        return self._recording.describe()

    async def stop(self) -> dict[str, Any]:
        """End it and answer when its file is complete. Raises `NotFound` when none runs."""
        recording = self._recording
        if recording is None:
            raise NotFound(f"no recording of {self._session} runs; POST starts one")
        await recording.stop()
        return recording.describe()

    def _ended(self, recording: Recording) -> None:
        if recording is self._recording:
            self._recording = None
            self.warning = recording.cause
            self._on_change()

    async def aclose(self) -> None:
        """End what runs, and begin no more. Idempotent."""
        self._closed = True
        if self._recording is not None:
            await self._recording.stop()
