"""``/presets``: list, export, import, save, remove; and loading one into a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote

from aiohttp import web

from lightmill.errors import Conflict, FieldError, InvalidInput, LightmillError
from lightmill.presets.document import preset_of, read_preset
from lightmill.presets.library import PresetLibrary
from lightmill.presets.names import BUILT_IN_MARK, checked_preset_name, is_built_in
from lightmill.session.wish import ChainWish
from lightmill.signaling.bodies import (
    NewPreset,
    NewSession,
    Offer,
    PresetChoice,
    path_name,
    read_model,
    read_object,
)
from lightmill.signaling.keys import CONFIG, HOST, PRESETS

logger = logging.getLogger(__name__)


async def list_presets(request: web.Request) -> web.Response:
    library, catalogue = request.app[PRESETS], request.app[HOST].catalogue().pipelines
    presets = await asyncio.to_thread(library.listing, catalogue)
    return web.json_response({"default": await _default(request), "presets": presets})


async def _default(request: web.Request) -> dict[str, Any] | None:
    """What sessions that name nothing start with; ``None`` too when its file has gone since."""
    name = request.app[CONFIG].session.default_preset
    if not name:
        return None
    catalogue = request.app[HOST].catalogue().pipelines
    try:
        document = await asyncio.to_thread(request.app[PRESETS].open, name, catalogue)
    except LightmillError as error:
        logger.warning("session.default_preset: %s", error)
        return None
    return {"name": name, **await request.app[HOST].fit_preset(document)}


async def find_preset(request: web.Request, name: str) -> dict[str, Any]:
    """The document of this name, built-in or saved. Raises `PresetNotFound`."""
    catalogue = request.app[HOST].catalogue().pipelines if is_built_in(name) else []
    return await asyncio.to_thread(request.app[PRESETS].get, name, catalogue)


async def fitted_preset(request: web.Request, body: NewSession | Offer) -> dict[str, Any] | None:
    """What fits of the preset that the body names, if it does; a body with a chain beside is refused."""
    if body.preset is None:
        return None
    _refuse_beside(body.model_fields_set & ChainWish.model_fields.keys())
    return await fitted_by_name(request, body.preset)


async def query_preset(request: web.Request) -> ChainWish | None:
    """The chain of the preset that the query names, if it does; what is left out is logged."""
    name = request.query.get("preset")
    if name is None:
        return None
    _refuse_beside(request.query.keys() & ChainWish.model_fields.keys())
    fitted = await fitted_by_name(request, name)
    for entry in fitted["left_out"]:
        logger.warning("preset %s: %s is left out: %s", name, entry["field"], entry["reason"])
    return chain_of(fitted)


def _refuse_beside(names: AbstractSet[str]) -> None:
    if names:
        message = "a preset brings its own; leave it out, and change it afterwards"
        raise InvalidInput(
            f"{', '.join(sorted(names))}: {message}",
            tuple(FieldError(name, message) for name in sorted(names)),
        )


async def fitted_by_name(request: web.Request, name: str) -> dict[str, Any]:
    """What fits of the preset of this name. Raises `PresetNotFound`."""
    return await request.app[HOST].fit_preset(await find_preset(request, name))


def chain_of(fitted: dict[str, Any]) -> ChainWish:
    """A fitted preset as a host takes it."""
    return ChainWish.model_validate(fitted["chain"])


async def get_preset(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    document = await find_preset(request, name)
    return web.json_response(document, headers={"Content-Disposition": _as_file(name)})


def _as_file(name: str) -> str:
    """``Content-Disposition`` of a download (RFC 6266, the name encoded as in RFC 8187)."""
    file = quote(f"{name.replace(BUILT_IN_MARK, '-')}.json", safe="")
    return f"attachment; filename*=UTF-8''{file}"


async def get_chain(request: web.Request) -> web.Response:
    """What of a preset would run here."""
    return web.json_response(await fitted_by_name(request, request.match_info["name"]))


async def put_preset(request: web.Request) -> web.Response:
    """Import: kept as it is, with what could not be loaded here in the reply."""
    name = _own_name(request.match_info["name"])
    document = read_preset(await read_object(request))
    fitted = await request.app[HOST].fit_preset(document)
    new = await asyncio.to_thread(request.app[PRESETS].store.save, name, document)
    body = {"name": name, "left_out": fitted["left_out"]}
    return web.json_response(body, status=201 if new else 200)


async def post_preset(request: web.Request) -> web.Response:
    """Save what a session runs."""
    wish = await read_model(request, NewPreset)
    name = _own_name(wish.name)
    session = await request.app[HOST].session(wish.session)
    document = preset_of(session, name, wish.description)
    await asyncio.to_thread(
        lambda: request.app[PRESETS].store.save(name, document, replace=wish.replace)
    )
    return web.json_response(document, status=201)


async def delete_preset(request: web.Request) -> web.Response:
    name = _own_name(request.match_info["name"])
    await asyncio.to_thread(request.app[PRESETS].store.remove, name)
    return web.Response(status=204)


def _own_name(name: str) -> str:
    """A name that may be written. Raises `Conflict` or `InvalidInput`."""
    if is_built_in(name):
        raise Conflict(f"{name} belongs to its pipeline; save under a name without a colon")
    return checked_preset_name(name)


async def load_preset(request: web.Request) -> web.Response:
    """Put a preset in place of what a session runs, live."""
    session = path_name(request)
    wish = await read_model(request, PresetChoice)
    if (wish.name is None) == (wish.preset is None):
        message = "give either the name of a preset or a preset itself"
        raise InvalidInput(message, (FieldError("name", message),))
    document = wish.preset if wish.name is None else await find_preset(request, wish.name)
    host = request.app[HOST]
    fitted = await host.fit_preset(read_preset(document))
    description = await host.update_session(session, chain_of(fitted))
    return web.json_response({**description, "left_out": fitted["left_out"]})


def register(app: web.Application) -> None:
    app[PRESETS] = PresetLibrary(app[CONFIG].presets)
    app.router.add_get("/presets", list_presets)
    app.router.add_post("/presets", post_preset)
    app.router.add_get("/presets/{name}", get_preset)
    app.router.add_put("/presets/{name}", put_preset)
    app.router.add_delete("/presets/{name}", delete_preset)
    app.router.add_get("/presets/{name}/chain", get_chain)
    app.router.add_post("/sessions/{session}/preset", load_preset)
