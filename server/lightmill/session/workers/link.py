"""The front process' end of one worker's socket: requests by id, replies, and what it tells."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lightmill.errors import LimitReached, Unavailable, WorkerDied
from lightmill.session.workers.wire import (
    Frame,
    WireError,
    encode_frame,
    error_from_wire,
    read_frame,
)

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 256
"""Requests to one worker at a time; more are answered 503."""
RETRY_AFTER_S = 2


class WorkerLink:
    """Owns the socket. ``on_event`` gets every message that answers no request."""

    def __init__(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_event: Callable[[dict[str, Any]], None],
    ) -> None:
        self._name = name
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._closed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def call(self, method: str, timeout_s: float, **arguments: Any) -> Frame:
        """Ask and wait; the reply's value is ``message["ok"]``. Cancelling withdraws the request.

        Raises:
            LightmillError: what the worker raised, with the same class, message and fields.
            WorkerDied: the worker ended before it answered.
            Unavailable: it did not answer in time; the request is withdrawn.
            LimitReached: `MAX_IN_FLIGHT` requests wait for it.

        """
        if self._closed.is_set():
            raise self._death()
        if len(self._waiting) >= MAX_IN_FLIGHT:
            raise LimitReached(f"{self._name} has {MAX_IN_FLIGHT} requests to answer")
        identity = next(self._ids)
        reply = self._waiting[identity] = asyncio.get_running_loop().create_future()
        try:
            self._send({"id": identity, "call": method, "args": arguments})
            async with asyncio.timeout(timeout_s):
                frame = await reply
        except BaseException as error:
            if isinstance(error, TimeoutError | asyncio.CancelledError):
                self.tell("cancel", request=identity)
            if isinstance(error, TimeoutError):
                message = f"{self._name} did not answer within {timeout_s:g} s"
                raise Unavailable(message, RETRY_AFTER_S) from error
            raise
        finally:
            self._waiting.pop(identity, None)
        if "error" in frame.message:
            raise error_from_wire(frame.message["error"])
        return frame

    def tell(self, method: str, **arguments: Any) -> None:
        """Send what needs no answer; nothing happens when the worker is gone."""
        if not self._closed.is_set():
            self._send({"call": method, "args": arguments})

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(encode_frame(Frame(message)))

    async def _read(self) -> None:
        try:
            while (frame := await read_frame(self._reader)) is not None:
                self._take(frame)
        except WireError:
            logger.exception("%s sends what is no message; it is given up", self._name)
        finally:
            self._closed.set()
            self._writer.close()
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(self._death())

    def _take(self, frame: Frame) -> None:
        identity = frame.message.get("id")
        if identity is None:
            self._on_event(frame.message)
            return
        reply = self._waiting.get(identity)
        if reply is not None and not reply.done():
            reply.set_result(frame)

    def _death(self) -> WorkerDied:
        return WorkerDied(f"{self._name} died; a new one is being started", RETRY_AFTER_S)

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Wait until the worker's end of the socket is closed, by itself or by its death."""
        await self._closed.wait()

    async def aclose(self) -> None:
        """Close the socket, which ends the worker. Idempotent."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(ConnectionError):
            await self._writer.wait_closed()
