"""The worker's end: answers the front process' requests and tells it what happens by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from time import monotonic, process_time
from typing import Any

from lightmill.errors import Closed, LightmillError
from lightmill.session.events import EventStream
from lightmill.session.host import (
    PeerRequest,
    PeerRole,
    PreviewPicture,
    PreviewRequest,
    SessionHost,
    SessionRequest,
    SourceRequest,
)
from lightmill.session.wish import ChainWish
from lightmill.session.workers.wire import (
    INTERNAL,
    Frame,
    WireError,
    encode_frame,
    error_to_wire,
    read_frame,
)

logger = logging.getLogger(__name__)

LOAD_INTERVAL_S = 1.0


class FrontVoice:
    """Implements `HostListener`: writes to the front process, in order."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._peers: dict[str, set[str]] = {}

    def say(self, message: dict[str, Any], blob: bytes = b"") -> None:
        """Write; what is said after the front process has gone is lost. Raises `WireError`."""
        if not self._writer.is_closing():
            self._writer.write(encode_frame(Frame(message, blob)))

    async def drain(self) -> None:
        with suppress(ConnectionError):
            await self._writer.drain()

    def opened(self, name: str) -> None:
        self.say({"event": "opened", "name": name})

    def peers(self, name: str, ids: Collection[str]) -> None:
        known, present = self._peers.get(name, set()), set(ids)
        self._peers[name] = present
        if gone := known - present:
            self.say({"event": "gone", "peers": sorted(gone)})

    def ended(self, name: str, reason: str) -> None:
        self._peers.pop(name, None)
        self.say({"event": "ended", "name": name, "reason": reason})


class WorkerService:
    """Serves until the socket closes; each request is a task, so that none waits for another."""

    def __init__(self, host: SessionHost, voice: FrontVoice) -> None:
        self._host = host
        self._voice = voice
        self._requests: dict[int, asyncio.Task[None]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "connect": self._connect,
            "add_candidates": host.add_candidates,
            "disconnect": host.disconnect,
            "create_session": self._create_session,
            "sessions": host.sessions,
            "session": host.session,
            "fit_preset": host.fit_preset,
            "update_session": self._update_session,
            "update_settings": host.update_settings,
            "snapshot": host.snapshot,
            "start_recording": host.start_recording,
            "stop_recording": host.stop_recording,
            "sinks": host.sinks,
            "add_sink": host.add_sink,
            "remove_sink": host.remove_sink,
            "preview": self._preview,
            "set_source": self._set_source,
            "clear_source": host.clear_source,
            "end_session": host.end_session,
            "artifacts": host.artifacts,
            "fetch_artifacts": host.fetch_artifacts,
            "remove_artifacts": host.remove_artifacts,
            "watch": self._watch,
        }

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Serve until the front process is gone or this is cancelled; ends every request then."""
        load = asyncio.create_task(self._report_load())
        try:
            while (frame := await read_frame(reader)) is not None:
                self._take(frame.message)
        finally:
            tasks = [load, *self._requests.values(), *self._watches.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, message: dict[str, Any]) -> None:
        method, arguments = message["call"], message["args"]
        if method == "cancel":
            if request := self._requests.get(arguments["request"]):
                request.cancel()
        elif method == "unwatch":
            if watch := self._watches.pop(arguments["name"], None):
                watch.cancel()
        else:
            identity = message["id"]
            task = asyncio.create_task(self._answer(identity, method, arguments))
            self._requests[identity] = task
            task.add_done_callback(lambda _: self._requests.pop(identity, None))

    async def _answer(self, identity: int, method: str, arguments: dict[str, Any]) -> None:
        try:
            value, blob = _split(await self._calls[method](**arguments))
            self._voice.say({"id": identity, "ok": value}, blob)
        except LightmillError as error:
            self._voice.say({"id": identity, "error": error_to_wire(error)})
        except Exception:  # the wall between one request and the others
            logger.exception("%s failed", method)
            text = f"the worker failed to {method.replace('_', ' ')}; its log says how"
            self._voice.say({"id": identity, "error": {"code": INTERNAL, "message": text}})
        await self._voice.drain()

    async def _connect(self, request: dict[str, Any]) -> dict[str, Any]:
        request["role"] = PeerRole(request["role"])
        request["chain"] = ChainWish.model_validate(request["chain"])
        return asdict(await self._host.connect(PeerRequest(**request)))

    async def _create_session(self, request: dict[str, Any]) -> dict[str, Any]:
        if source := request.get("source"):
            request["source"] = SourceRequest(**source)
        request["chain"] = ChainWish.model_validate(request["chain"])
        return await self._host.create_session(SessionRequest(**request))

    async def _update_session(
        self, name: str, chain: dict[str, Any], codec: str | None
    ) -> dict[str, Any]:
        wish = ChainWish.model_validate(chain)
        return await self._host.update_session(name, wish, codec=codec)

    async def _preview(self, name: str, request: dict[str, Any], after: int) -> PreviewPicture:
        return await self._host.preview(name, PreviewRequest(**request), after)

    async def _set_source(self, name: str, source: dict[str, Any]) -> dict[str, Any]:
        return await self._host.set_source(name, SourceRequest(**source))

    async def _watch(self, name: str) -> dict[str, Any]:
        """Tell the session's states from now on; returns the present one."""
        if name not in self._watches:
            stream = await self._host.events(name)
            task = asyncio.create_task(self._tell_states(name, stream))
            self._watches[name] = task
            task.add_done_callback(lambda done: self._unwatched(name, done))
        return await self._host.session(name)

    def _unwatched(self, name: str, watch: asyncio.Task[None]) -> None:
        if self._watches.get(name) is watch:
            del self._watches[name]

    async def _tell_states(self, name: str, stream: EventStream) -> None:
        """The front process takes states at its pace: those that it misses are skipped."""
        try:
            with suppress(Closed):
                while (event := await stream.next()).kind == "state":
                    self._voice.say({"event": "state", "name": name, "session": event.body})
                    await self._voice.drain()
        except WireError:
            logger.exception("%s: its state cannot be told", name)
        finally:
            stream.close()

    async def _report_load(self) -> None:
        now, used = monotonic(), process_time()
        while True:
            await asyncio.sleep(LOAD_INTERVAL_S)
            before, used_before, now, used = now, used, monotonic(), process_time()
            self._voice.say(
                {"event": "load", "cpu_share": round((used - used_before) / (now - before), 3)}
            )
            await self._voice.drain()


def _split(value: Any) -> tuple[Any, bytes]:
    """What goes as JSON, and what goes as bytes."""
    if isinstance(value, PreviewPicture):
        return value.number, value.jpeg
    return (None, value) if isinstance(value, bytes) else (value, b"")
