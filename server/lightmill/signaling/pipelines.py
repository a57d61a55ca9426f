"""``/pipelines``: everything that a page needs to show a pipeline and its settings."""

from __future__ import annotations

from aiohttp import web

from lightmill.signaling.keys import CONFIG, FAILED_PLUGINS, REGISTRY


async def list_pipelines(request: web.Request) -> web.Response:
    body = {
        "default": request.app[CONFIG].session.default_pipeline,
        "pipelines": [entry.describe() for entry in request.app[REGISTRY].entries()],
        "failed_plugins": request.app[FAILED_PLUGINS],
    }
    return web.json_response(body)


async def get_pipeline(request: web.Request) -> web.Response:
    return web.json_response(request.app[REGISTRY].entry(request.match_info["id"]).describe())


def register(app: web.Application) -> None:
    app.router.add_get("/pipelines", list_pipelines)
    app.router.add_get("/pipelines/{id}", get_pipeline)
