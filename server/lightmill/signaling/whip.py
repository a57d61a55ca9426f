"""WHIP (RFC 9725): publishing over HTTP."""

from __future__ import annotations

from aiohttp import web

from lightmill.session.host import PeerRole
from lightmill.signaling.sdp_resources import add_routes


def register(app: web.Application) -> None:
    add_routes(app, "whip", PeerRole.PUBLISHER)
