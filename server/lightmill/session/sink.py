"""One receiver outside: a session's output sent on, again and again when it breaks."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from lightmill.config import Config
from lightmill.errors import Unavailable
from lightmill.media.frames import OutgoingFrame
from lightmill.media.push import Order, pack
from lightmill.session.broadcast import Broadcast
from lightmill.session.shelf import Shelf
from lightmill.session.target import Target

logger = logging.getLogger(__name__)

BUFFER_BYTES = 4_000_000
"""What waits for a slow receiver; then pictures are left out up to the next keyframe."""
FIRST_RETRY_S = 1.0
STEADY_S = 10.0
"""After so long a live connection counts as good: its loss is tried again at once."""
FAREWELL_S = 2.0
"""Time for the end of a container to leave."""
ROOM_INTERVAL_S = 2.0


class Sink:
    """A `PacketTaker` whose process sends to ``target``; ``on_change`` hears of its state.

    State: ``connecting``, ``live``, ``retrying`` (with what went wrong) or ``failed`` for good.
    """

    def __init__(
        self, target: Target, broadcast: Broadcast, config: Config, on_change: Callable[[], None]
    ) -> None:
        self.id = secrets.token_hex(4)
        self.dropped = 0
        self._target = target
        self._broadcast = broadcast
        self._config = config
        self._on_change = on_change
        self._state = "connecting"
        self._error: str | None = None
        self._retries = 0
        self._sent_bytes = 0
        self._live_at: float | None = None
        self._stdin: asyncio.StreamWriter | None = None
        self._size: tuple[int, int] | None = None
        self._resized = False
        self._final = target.local
        """Whether the next failure is the last."""
        self._task = asyncio.create_task(self._run(), name=f"sink {self.id}")

    @property
    def failed(self) -> bool:
        """Whether it will never send again."""
        return self._state == "failed"

    def describe(self) -> dict[str, Any]:
        """The SINK of ``docs/protocol.md``; the URL without what may be a secret."""
        return {
            "id": self.id,
            "url": self._target.shown,
            "state": self._state,
            "error": self._error,
            "retries": self._retries,
            "sent_bytes": self._sent_bytes,
            "dropped": self.dropped,
        }

    def picture(self, frame: OutgoingFrame) -> bool:
        picture = frame.picture
        if picture is None or self._stdin is None:
            return True
        size = (picture.width, picture.height)
        if self._size not in (None, size):
            # No receiver takes another size in one stream: a new one begins.
            self._resized = True
            self._stdin.close()
            self._stdin = None
            return True
        self._size = size
        return self._put(frame)

    def sound(self, packet: OutgoingFrame) -> None:
        if self._stdin is not None:
            self._put(packet)

    def _put(self, frame: OutgoingFrame) -> bool:
        stdin = self._stdin
        if stdin is None or stdin.is_closing():
            return True
        if stdin.transport.get_write_buffer_size() > BUFFER_BYTES:
            self.dropped += 1
            return False
        stdin.write(pack(frame))
        return True

    async def _run(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            self._show("connecting")
            try:
                error = await self._attempt()
            except OSError as failure:  # no process or no file to be had
                error = failure.strerror or type(failure).__name__
            steady = self._live_at is not None and monotonic() - self._live_at > STEADY_S
            if self._resized:
                continue
            if self._final:
                self._show("failed", error)
                return
            delay_s = FIRST_RETRY_S if steady else delay_s
            self._retries += 1
            self._show("retrying", error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, self._config.sinks.retry_most_s)

    def _show(self, state: str, error: str | None = None) -> None:
        self._state = state
        self._error = error if state != "connecting" else self._error
        if state == "live":
            self._error, self._live_at = None, monotonic()
        if error:
            logger.warning("sink %s: %s", self._target.shown, error)
        self._on_change()

    async def _attempt(self) -> str:
        """Send until something breaks; returns what. Raises `OSError` without a process or a file."""
        self._live_at, self._size, self._resized = None, None, False
        target = await asyncio.to_thread(self._target.fresh)
        try:
            return await self._send(target)
        finally:
            await asyncio.to_thread(self._target.tidy, target)

    async def _send(self, target: str) -> str:
        timeout_s = self._config.sinks.timeout_s
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lightmill.media.push"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write(
            Order(target, self._target.format, self._target.sound, timeout_s).to_line()
        )
        self._stdin = process.stdin
        tap = self._broadcast.tap(self, self._config.recording.keyframe_s)
        room = asyncio.create_task(self._watch_room()) if self._target.local else None
        said: str | None = None
        try:
            said = await self._listen(process)
        finally:
            tap.close()
            said = said or (room and room.done() and not room.cancelled() and room.result()) or None
            if room is not None:
                room.cancel()
            self._stdin = None
            await _end(process)
        if said:
            return said
        if process.returncode == -signal.SIGALRM:
            return f"no answer within sinks.timeout_s ({timeout_s:g} s)"
        return "the connection ended"

    async def _listen(self, process: asyncio.subprocess.Process) -> str | None:
        """Hear what the process says until it ends; returns its last words."""
        assert process.stdout is not None
        said: str | None = None
        while line := await process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            said = message.get("error", said)
            self._final |= message.get("final", False)
            if message.get("state") == "live":
                self._show("live")
            self._sent_bytes = message.get("sent_bytes", self._sent_bytes)
        return said

    async def _watch_room(self) -> str | None:
        """End a file when there is no more room."""
        shelf = Shelf(self._config.recording)
        began_at = monotonic()
        while True:
            await asyncio.sleep(ROOM_INTERVAL_S)
            cause: str | None = None
            try:
                await asyncio.to_thread(shelf.check_room)
            except Unavailable as limit:
                cause = str(limit)
            if monotonic() - began_at >= self._config.recording.max_length_s:
                cause = "it has recording.max_length_s"
            if cause and self._stdin is not None:
                self._stdin.close()
                self._stdin = None
                return cause

    async def aclose(self) -> None:
        """End it, whatever its receiver does. Idempotent."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let the process write its end, but not for long."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), FAREWELL_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
