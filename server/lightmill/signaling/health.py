"""``/health`` and ``/ice-servers``."""

from __future__ import annotations

from aiohttp import web

from lightmill.signaling.keys import HOST


async def get_health(request: web.Request) -> web.Response:
    return web.json_response(request.app[HOST].health())


async def get_ice_servers(request: web.Request) -> web.Response:
    return web.json_response({"iceServers": request.app[HOST].ice_servers()})


def register(app: web.Application) -> None:
    app.router.add_get("/health", get_health)
    app.router.add_get("/ice-servers", get_ice_servers)
