"""The page, the watch page and their files."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from lightmill.signaling.bodies import path_name

REVALIDATE = {"Cache-Control": "no-cache"}


def register(app: web.Application, root: Path) -> None:
    """Serve ``root`` (`static_root`) below ``/static/``, and the two pages."""

    async def index(request: web.Request) -> web.FileResponse:
        return web.FileResponse(root / "index.html", headers=REVALIDATE)

    async def watch(request: web.Request) -> web.FileResponse:
        path_name(request)
        return web.FileResponse(root / "watch.html", headers=REVALIDATE)

    app.router.add_get("/", index)
    app.router.add_get("/watch/{session}", watch)
    app.router.add_static("/static/", root)
