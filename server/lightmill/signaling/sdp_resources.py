"""What WHIP, WHEP and ``/offer`` share: the peer as an HTTP resource (RFC 9725)."""

from __future__ import annotations

from aiohttp import web

from lightmill.errors import InvalidDescription, PeerNotFound
from lightmill.session.host import PeerRequest, PeerRole
from lightmill.session.wish import ChainWish
from lightmill.signaling.bodies import path_name, query_codec, read_text
from lightmill.signaling.keys import HOST
from lightmill.signaling.presets import query_preset
from lightmill.signaling.sdp_text import check_offer

SDP = "application/sdp"
SDPFRAG = "application/trickle-ice-sdpfrag"


def ice_links(request: web.Request) -> list[str]:
    """One ``Link`` value for each ICE server URL (RFC 9725 section 4.6)."""
    links: list[str] = []
    for server in request.app[HOST].ice_servers():
        for url in server["urls"]:
            link = f'<{url}>; rel="ice-server"'
            if "username" in server:
                link += f'; username="{server["username"]}"'
            if "credential" in server:
                link += f'; credential="{server["credential"]}"; credential-type="password"'
            links.append(link)
    return links


async def create(request: web.Request, role: PeerRole, endpoint: str) -> web.Response:
    """``POST`` an SDP offer: 201 with the answer and the peer's resource."""
    session = path_name(request)
    sdp = await read_text(request, SDP)
    check_offer(sdp, role)
    chain = await query_preset(request) or ChainWish(
        pipeline=request.query.get("pipeline"), mode=request.query.get("mode")
    )
    answer = await request.app[HOST].connect(
        PeerRequest(role, sdp, session, chain, codec=query_codec(request))
    )
    response = web.Response(status=201, text=answer.sdp, content_type=SDP)
    response.headers["Location"] = f"/{endpoint}/{answer.session}/{answer.peer}"
    response.headers["ETag"] = f'"{answer.etag}"'
    response.headers["Accept-Patch"] = SDPFRAG
    for link in ice_links(request):
        response.headers.add("Link", link)
    return response


def find(request: web.Request, role: PeerRole) -> str:
    """The peer's id, when it is of this kind and session. Raises `PeerNotFound`."""
    peer = request.match_info["peer"]
    record = request.app[HOST].peer(peer)
    session = request.match_info.get("session")
    if record.role is not role or session not in (None, record.session):
        raise PeerNotFound(f"no peer {peer} here; open a new connection")
    return peer


async def trickle(request: web.Request, role: PeerRole) -> web.Response:
    """``PATCH`` candidates: 204; 412 for an outdated ETag, 422 for an ICE restart."""
    peer = find(request, role)
    fragment = await read_text(request, SDPFRAG)
    match = request.headers.get("If-Match")
    if match == "*":
        raise InvalidDescription("ICE restart is not supported; open a new connection instead")
    host = request.app[HOST]
    if match is not None and match.strip() != f'"{host.peer(peer).etag}"':
        raise web.HTTPPreconditionFailed(text="If-Match names another ICE session; use the ETag")
    await host.add_candidates(peer, fragment)
    return web.Response(status=204)


async def delete(request: web.Request, role: PeerRole) -> web.Response:
    """``DELETE`` the peer: 200."""
    await request.app[HOST].disconnect(find(request, role))
    return web.Response(status=200)


async def options_endpoint(request: web.Request) -> web.Response:
    return web.Response(status=204, headers={"Accept-Post": SDP, "Allow": "POST, OPTIONS"})


async def options_resource(request: web.Request) -> web.Response:
    headers = {"Accept-Patch": SDPFRAG, "Allow": "PATCH, DELETE, OPTIONS"}
    return web.Response(status=204, headers=headers)


def add_routes(app: web.Application, endpoint: str, role: PeerRole) -> None:
    """Serve ``/ENDPOINT/{session}`` and the resources below it."""

    async def post(request: web.Request) -> web.Response:
        return await create(request, role, endpoint)

    async def patch(request: web.Request) -> web.Response:
        return await trickle(request, role)

    async def remove(request: web.Request) -> web.Response:
        return await delete(request, role)

    base, resource = f"/{endpoint}/{{session}}", f"/{endpoint}/{{session}}/{{peer}}"
    app.router.add_post(base, post)
    app.router.add_route("OPTIONS", base, options_endpoint)
    app.router.add_patch(resource, patch)
    app.router.add_delete(resource, remove)
    app.router.add_route("OPTIONS", resource, options_resource)
