"""``/pipelines``: everything that a page needs to show a pipeline and its settings."""

from __future__ import annotations

from aiohttp import web

from lightmill.signaling.keys import CONFIG, HOST


async def list_pipelines(request: web.Request) -> web.Response:
    catalogue = request.app[HOST].catalogue()
    body = {
        "default": request.app[CONFIG].session.default_pipeline,
        "pipelines": catalogue.pipelines,
        "failed_plugins": catalogue.failed_plugins,
    }
    return web.json_response(body)


async def get_pipeline(request: web.Request) -> web.Response:
    return web.json_response(request.app[HOST].catalogue().pipeline(request.match_info["id"]))


def register(app: web.Application) -> None:
    app.router.add_get("/pipelines", list_pipelines)
    app.router.add_get("/pipelines/{id}", get_pipeline)
