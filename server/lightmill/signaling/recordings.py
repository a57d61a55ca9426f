"""``/recordings``, and the recording of a session."""

from __future__ import annotations

import asyncio

from aiohttp import web

from lightmill.errors import Conflict
from lightmill.session.shelf import Shelf
from lightmill.signaling.bodies import path_name
from lightmill.signaling.keys import CONFIG, HOST


def _shelf(request: web.Request) -> Shelf:
    return Shelf(request.app[CONFIG].recording)


async def start_recording(request: web.Request) -> web.Response:
    recording = await request.app[HOST].start_recording(path_name(request))
    headers = {"Location": f"/recordings/{recording['id']}"}
    return web.json_response(recording, status=201, headers=headers)


async def stop_recording(request: web.Request) -> web.Response:
    return web.json_response(await request.app[HOST].stop_recording(path_name(request)))


async def _running(request: web.Request) -> set[str]:
    """The ids that sessions write at present."""
    sessions = await request.app[HOST].sessions()
    return {session["recording"]["id"] for session in sessions if session["recording"]}


async def list_recordings(request: web.Request) -> web.Response:
    running = await _running(request)
    shelved = await asyncio.to_thread(_shelf(request).list)
    entries = [one.to_json(recording=one.id in running) for one in shelved]
    return web.json_response({"recordings": entries})


async def get_recording(request: web.Request) -> web.StreamResponse:
    """The file, or the range of it that is asked for; of one that grows, what is there."""
    shelved = await asyncio.to_thread(_shelf(request).find, request.match_info["recording"])
    headers = {
        "Content-Type": "video/mp4",
        "Content-Disposition": f'attachment; filename="{shelved.path.name}"',
        "Cache-Control": "no-store",
    }
    return web.FileResponse(shelved.path, headers=headers)


async def delete_recording(request: web.Request) -> web.Response:
    recording, shelf = request.match_info["recording"], _shelf(request)
    await asyncio.to_thread(shelf.find, recording)
    if recording in await _running(request):
        raise Conflict(f"{recording} is being written; stop it first")
    await asyncio.to_thread(shelf.remove, recording)
    return web.Response(status=204)


def register(app: web.Application) -> None:
    app.router.add_post("/sessions/{session}/recording", start_recording)
    app.router.add_delete("/sessions/{session}/recording", stop_recording)
    app.router.add_get("/recordings", list_recordings)
    app.router.add_get("/recordings/{recording}", get_recording)
    app.router.add_delete("/recordings/{recording}", delete_recording)
