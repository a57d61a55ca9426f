"""Who may ask: a bearer token; without one, only this machine's own pages and programs."""

from __future__ import annotations

import hmac

from aiohttp import web

from lightmill.signaling.keys import CONFIG
from lightmill.signaling.middleware import Handler, is_loopback, origin_allowed

OPEN_PATHS = frozenset({"/", "/health"})
OPEN_PREFIXES = ("/static/", "/watch/")
SCHEME = "bearer "


@web.middleware
async def authorised(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through, or answer 401 or 403."""
    if request.method != "OPTIONS":
        token = request.app[CONFIG].server.token
        if token is None:
            _check_local(request)
        elif request.path not in OPEN_PATHS and not request.path.startswith(OPEN_PREFIXES):
            _check_token(request, token.get_secret_value())
    return await handler(request)


def _check_token(request: web.Request, token: str) -> None:
    given = request.headers.get("Authorization", "")
    if not given.lower().startswith(SCHEME):
        raise web.HTTPUnauthorized(
            text="send the server's token as Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not hmac.compare_digest(given[len(SCHEME) :].strip().encode(), token.encode()):
        raise web.HTTPForbidden(text="this token is wrong; see server.token")


def _check_local(request: web.Request) -> None:
    """Keep other sites' pages out: neither DNS rebinding nor cross-site requests get in."""
    config = request.app[CONFIG].server
    name = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if is_loopback(config.host) and not is_loopback(name):
        raise web.HTTPForbidden(
            text=f"this server answers as localhost, not as {name}; set server.token for other names"
        )
    origin = request.headers.get("Origin")
    if origin is not None and not origin_allowed(origin, request.host, config):
        raise web.HTTPForbidden(
            text=f"pages of {origin} may not use this server; see server.cors_origins"
        )
