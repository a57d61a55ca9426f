"""``/sessions/{name}/preview.mjpeg``: pictures for clients that have no WebRTC."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from lightmill.config import PreviewConfig
from lightmill.errors import FieldError, InvalidInput, LightmillError, LimitReached
from lightmill.session.host import PreviewRequest
from lightmill.signaling.bodies import path_name
from lightmill.signaling.keys import CONFIG, HOST, PREVIEWS

BOUNDARY = "picture"
HEADERS = {
    "Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
MIN_FPS, MIN_WIDTH = 0.2, 16
WRITE_S = 30.0
"""A client that takes nothing for so long is given up."""


async def get_preview(request: web.Request) -> web.StreamResponse:
    name, config = path_name(request), request.app[CONFIG].preview
    wish = preview_request(request, config)
    clients = request.app[PREVIEWS]
    if len(clients) >= config.max_clients:
        raise LimitReached(f"{len(clients)} previews are open; see preview.max_clients")
    task = asyncio.current_task()
    assert task is not None
    clients.add(task)
    try:
        return await _stream(request, name, wish)
    finally:
        clients.discard(task)


async def _stream(request: web.Request, name: str, wish: PreviewRequest) -> web.StreamResponse:
    host = request.app[HOST]
    picture = await host.preview(name, wish, 0)
    response = web.StreamResponse(headers=HEADERS)
    # Once the answer has begun no error can follow it: whatever happens ends the stream.
    with suppress(ConnectionError, TimeoutError, LightmillError):
        await response.prepare(request)
        await response.write(f"--{BOUNDARY}\r\n".encode())
        while True:
            if picture.jpeg:
                async with asyncio.timeout(WRITE_S):
                    await response.write(part(picture.jpeg))
            picture = await host.preview(name, wish, picture.number)
    with suppress(ConnectionError):
        await response.write_eof()
    return response


def part(jpeg: bytes) -> bytes:
    """One part with the boundary after it, so that the client shows it at once (RFC 2046, 5.1)."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


def preview_request(request: web.Request, config: PreviewConfig) -> PreviewRequest:
    """Read ``of``, ``fps`` and ``width``. Raises `InvalidInput`."""
    default = PreviewRequest()
    of = request.query.get("of", default.of)
    if of not in ("input", "output"):
        raise _refused("of", "use input or output")
    fps = _number(request, "fps", min(default.fps, config.max_fps), MIN_FPS, config.max_fps)
    most = float(config.max_width)
    width = _number(request, "width", min(default.width, most), MIN_WIDTH, most)
    return PreviewRequest(of, round(fps, 2), int(width) & ~1)


def _number(request: web.Request, name: str, default: float, least: float, most: float) -> float:
    text = request.query.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise _refused(name, f"use a number from {least:g} to {most:g}; see preview.max_{name}")
    return value


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", (FieldError(field, message),))


async def _end_previews(app: web.Application) -> None:
    """Let open previews end before the server waits for its connections."""
    for task in tuple(app[PREVIEWS]):
        task.cancel()


def register(app: web.Application) -> None:
    app[PREVIEWS] = set()
    app.on_shutdown.append(_end_previews)
    app.router.add_get("/sessions/{session}/preview.mjpeg", get_preview)
