"""``/sessions/{session}/sinks``: where a session's output is sent on to."""

from __future__ import annotations

from aiohttp import web

from lightmill.signaling.bodies import NewSink, path_name, read_model
from lightmill.signaling.keys import HOST


async def list_sinks(request: web.Request) -> web.Response:
    return web.json_response({"sinks": await request.app[HOST].sinks(path_name(request))})


async def add_sink(request: web.Request) -> web.Response:
    name = path_name(request)
    body = await read_model(request, NewSink)
    sink = await request.app[HOST].add_sink(name, body.url, body.audio)
    headers = {"Location": f"/sessions/{name}/sinks/{sink['id']}"}
    return web.json_response(sink, status=201, headers=headers)


async def remove_sink(request: web.Request) -> web.Response:
    await request.app[HOST].remove_sink(path_name(request), request.match_info["sink"])
    return web.Response(status=204)


def register(app: web.Application) -> None:
    app.router.add_get("/sessions/{session}/sinks", list_sinks)
    app.router.add_post("/sessions/{session}/sinks", add_sink)
    app.router.add_delete("/sessions/{session}/sinks/{sink}", remove_sink)
