"""``/sessions``: list, create, look at, change, end."""

from __future__ import annotations

from aiohttp import web

from lightmill.errors import FieldError, InvalidInput
from lightmill.session.host import SessionRequest, SourceRequest
from lightmill.signaling.bodies import NewSession, SessionChoice, path_name, read_model, read_object
from lightmill.signaling.keys import HOST
from lightmill.signaling.presets import chain_of, fitted_preset


async def list_sessions(request: web.Request) -> web.Response:
    return web.json_response({"sessions": await request.app[HOST].sessions()})


async def create_session(request: web.Request) -> web.Response:
    body = await read_model(request, NewSession)
    fitted = await fitted_preset(request, body)
    chain = chain_of(fitted) if fitted else body.chain
    source = body.source and SourceRequest(body.source.url, body.source.loop)
    session = await request.app[HOST].create_session(
        SessionRequest(body.name, chain, body.codec, source)
    )
    if fitted:
        session["left_out"] = fitted["left_out"]
    headers = {"Location": f"/sessions/{session['name']}"}
    return web.json_response(session, status=201, headers=headers)


async def get_session(request: web.Request) -> web.Response:
    return web.json_response(await request.app[HOST].session(path_name(request)))


async def patch_session(request: web.Request) -> web.Response:
    body = await read_model(request, SessionChoice)
    if not body.model_fields_set:
        message = (
            "name at least one of pipeline, mode, settings, preprocessors, postprocessors and codec"
        )
        raise InvalidInput(message, (FieldError("pipeline", message),))
    session = await request.app[HOST].update_session(
        path_name(request), body.chain, codec=body.codec
    )
    return web.json_response(session)


async def patch_settings(request: web.Request) -> web.Response:
    settings = await read_object(request)
    return web.json_response(await request.app[HOST].update_settings(path_name(request), settings))


async def patch_stage_settings(request: web.Request) -> web.Response:
    settings = await read_object(request)
    reply = await request.app[HOST].update_settings(
        path_name(request), settings, request.match_info["stage"]
    )
    return web.json_response(reply)


async def delete_session(request: web.Request) -> web.Response:
    await request.app[HOST].end_session(path_name(request))
    return web.Response(status=204)


async def get_snapshot(request: web.Request) -> web.Response:
    of = request.query.get("of", "output")
    if of not in ("input", "output"):
        message = f"of={of[:20]!r} is no side of a session; use input or output"
        raise InvalidInput(message, (FieldError("of", message),))
    image = "png" if request.path.endswith(".png") else "jpg"
    picture = await request.app[HOST].snapshot(path_name(request), of, image)
    content_type = "image/png" if image == "png" else "image/jpeg"
    return web.Response(
        body=picture, content_type=content_type, headers={"Cache-Control": "no-store"}
    )


def register(app: web.Application) -> None:
    app.router.add_get("/sessions", list_sessions)
    app.router.add_post("/sessions", create_session)
    app.router.add_get("/sessions/{session}", get_session)
    app.router.add_patch("/sessions/{session}", patch_session)
    app.router.add_delete("/sessions/{session}", delete_session)
    app.router.add_patch("/sessions/{session}/settings", patch_settings)
    app.router.add_patch("/sessions/{session}/stages/{stage}/settings", patch_stage_settings)
    app.router.add_get("/sessions/{session}/snapshot.jpg", get_snapshot)
    app.router.add_get("/sessions/{session}/snapshot.png", get_snapshot)
