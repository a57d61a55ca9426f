"""``/sessions/{name}/events``: what happens to a session, as server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from lightmill.errors import Closed
from lightmill.session.events import EventStream, SessionEvent
from lightmill.signaling.bodies import path_name
from lightmill.signaling.keys import HOST, STREAMS

HEARTBEAT_S = 15.0
"""A proxy that cuts idle connections commonly waits 30 s or more."""
HEARTBEAT = b": still here\n\n"
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def get_events(request: web.Request) -> web.StreamResponse:
    stream = await request.app[HOST].events(path_name(request))
    streams = request.app[STREAMS]
    streams.add(stream)
    response = web.StreamResponse(headers=HEADERS)
    try:
        with suppress(ConnectionError):
            await response.prepare(request)
            async for chunk in _chunks(stream):
                await response.write(chunk)
            await response.write_eof()
    finally:
        streams.discard(stream)
        stream.close()
    return response


async def _chunks(stream: EventStream) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                event = await stream.next()
        except TimeoutError:
            yield HEARTBEAT
        except Closed:
            return
        else:
            yield encode_event(event)


def encode_event(event: SessionEvent) -> bytes:
    """JSON has no line breaks of its own, so one ``data`` line holds the body."""
    return f"event: {event.kind}\ndata: {json.dumps(event.body)}\n\n".encode()


async def _end_streams(app: web.Application) -> None:
    """Let open streams end before the server waits for its connections."""
    for stream in app[STREAMS]:
        stream.end("the server stops")


def register(app: web.Application) -> None:
    app[STREAMS] = set()
    app.on_shutdown.append(_end_streams)
    app.router.add_get("/sessions/{session}/events", get_events)
