"""``/pipelines``: what a page needs to show a pipeline and its settings, and its files."""

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


async def get_artifacts(request: web.Request) -> web.Response:
    artifacts = await request.app[HOST].artifacts(request.match_info["id"])
    return web.json_response({"artifacts": artifacts})


async def fetch_artifacts(request: web.Request) -> web.Response:
    artifacts = await request.app[HOST].fetch_artifacts(request.match_info["id"])
    return web.json_response({"artifacts": artifacts}, status=202)


async def delete_artifacts(request: web.Request) -> web.Response:
    await request.app[HOST].remove_artifacts(request.match_info["id"])
    return web.Response(status=204)


def register(app: web.Application) -> None:
    app.router.add_get("/pipelines", list_pipelines)
    app.router.add_get("/pipelines/{id}", get_pipeline)
    app.router.add_get("/pipelines/{id}/artifacts", get_artifacts)
    app.router.add_post("/pipelines/{id}/artifacts", fetch_artifacts)
    app.router.add_delete("/pipelines/{id}/artifacts", delete_artifacts)
