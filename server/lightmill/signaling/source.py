"""``/sessions/{name}/source``: what the server reads by itself in a publisher's place."""

from __future__ import annotations

from aiohttp import web

from lightmill.session.host import SourceRequest
from lightmill.signaling.bodies import Source, path_name, read_model
from lightmill.signaling.keys import HOST


async def put_source(request: web.Request) -> web.Response:
    body = await read_model(request, Source)
    session = await request.app[HOST].set_source(
        path_name(request), SourceRequest(body.url, body.loop)
    )
    return web.json_response(session)


async def delete_source(request: web.Request) -> web.Response:
    await request.app[HOST].clear_source(path_name(request))
    return web.Response(status=204)


def register(app: web.Application) -> None:
    app.router.add_put("/sessions/{session}/source", put_source)
    app.router.add_delete("/sessions/{session}/source", delete_source)
