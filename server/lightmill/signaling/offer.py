"""``/offer``: one peer that sends its video and gets the processed video back."""

from __future__ import annotations

from aiohttp import web

from lightmill.session.host import PeerRequest, PeerRole
from lightmill.signaling import sdp_resources
from lightmill.signaling.bodies import Offer, read_model
from lightmill.signaling.keys import HOST
from lightmill.signaling.presets import chain_of, fitted_preset
from lightmill.signaling.sdp_text import check_offer


async def post_offer(request: web.Request) -> web.Response:
    offer = await read_model(request, Offer)
    check_offer(offer.sdp, PeerRole.DUPLEX)
    fitted = await fitted_preset(request, offer)
    chain = chain_of(fitted) if fitted else offer.chain
    answer = await request.app[HOST].connect(
        PeerRequest(
            PeerRole.DUPLEX,
            offer.sdp,
            offer.session,
            chain,
            offer.codec,
        )
    )
    body = {
        "sdp": answer.sdp,
        "type": "answer",
        "session": answer.session,
        "resource": f"/offer/{answer.peer}",
    }
    if fitted:
        body["left_out"] = fitted["left_out"]
    return web.json_response(body, headers={"ETag": f'"{answer.etag}"'})


async def patch_offer(request: web.Request) -> web.Response:
    return await sdp_resources.trickle(request, PeerRole.DUPLEX)


async def delete_offer(request: web.Request) -> web.Response:
    return await sdp_resources.delete(request, PeerRole.DUPLEX)


def register(app: web.Application) -> None:
    app.router.add_post("/offer", post_offer)
    app.router.add_patch("/offer/{peer}", patch_offer)
    app.router.add_delete("/offer/{peer}", delete_offer)
    app.router.add_route("OPTIONS", "/offer/{peer}", sdp_resources.options_resource)
