"""Errors as JSON, CORS, and the headers that every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from lightmill import errors
from lightmill.config import ServerConfig
from lightmill.signaling.keys import CONFIG

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS: tuple[tuple[type[errors.LightmillError], int], ...] = (
    (errors.InvalidInput, 422),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Unavailable, 503),
    (errors.ArtifactCorrupt, 502),
    (errors.CacheFull, 507),
    (errors.CacheUnwritable, 507),
    (errors.PipelineFailed, 500),
    (errors.Closed, 409),
)
"""The first class that fits decides."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
}
CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, Content-Disposition",
    "Access-Control-Max-Age": "600",
}


def error_response(
    status: int,
    code: str,
    message: str,
    fields: tuple[errors.FieldError, ...] = (),
    headers: dict[str, str] | None = None,
) -> web.Response:
    """The one JSON shape of every error."""
    body: dict[str, Any] = {
        "error": {
            "code": code,
            "message": message,
            "fields": [field.to_json() for field in fields],
        }
    }
    return web.json_response(body, status=status, headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a status and a JSON body."""
    try:
        return await handler(request)
    except errors.LightmillError as error:
        return _from_lightmill(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        if "WWW-Authenticate" in error.headers:
            headers["WWW-Authenticate"] = error.headers["WWW-Authenticate"]
        code = error.reason.lower().replace(" ", "_")
        return error_response(error.status, code, error.text or error.reason, headers=headers)
    except ConnectionError:
        raise
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return error_response(500, "internal", "the server failed; its log says how")


def _from_lightmill(error: errors.LightmillError) -> web.Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    fields = error.fields if isinstance(error, errors.InvalidInput) else ()
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    return error_response(status, error.code, str(error), fields, headers)


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer preflights; `mark` adds the headers."""
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204)
    return await handler(request)


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Mark an answer, just before its headers leave, for the origins that may read it."""
    response.headers.update(SECURITY_HEADERS)
    origin = request.headers.get("Origin")
    if origin is not None and origin_allowed(origin, request.host, request.app[CONFIG].server):
        response.headers.update(CORS_HEADERS)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"


def origin_allowed(origin: str, host: str, config: ServerConfig) -> bool:
    """Same origin and configured ones; with a token all, since a page cannot guess it.

    Without a token, pages on this machine may use a server that listens on loopback.
    """
    if origin in config.cors_origins or "*" in config.cors_origins or config.token is not None:
        return True
    parts = urlsplit(origin)
    return parts.netloc == host or is_loopback(parts.hostname or "")


def is_loopback(name: str) -> bool:
    return name.strip("[]") in LOOPBACK_NAMES or name.startswith("127.")
