"""What most aiortc servers do, as a yardstick: relay the received track back, in a few lines.

``python tests/benchmarks/aiortc_example.py PORT`` answers ``POST /offer``.
"""

from __future__ import annotations

import sys

from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay

PEERS = web.AppKey("peers", set[RTCPeerConnection])
RELAY = web.AppKey("relay", MediaRelay)


async def offer(request: web.Request) -> web.Response:
    body = await request.json()
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    request.app[PEERS].add(pc)

    @pc.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        pc.addTrack(request.app[RELAY].subscribe(track))

    @pc.on("connectionstatechange")
    async def on_state() -> None:
        if pc.connectionState in ("failed", "closed"):
            request.app[PEERS].discard(pc)
            await pc.close()

    await pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
    await pc.setLocalDescription(await pc.createAnswer())
    return web.json_response({"sdp": pc.localDescription.sdp, "type": "answer"})


async def close_all(app: web.Application) -> None:
    for pc in list(app[PEERS]):
        await pc.close()


def main() -> None:
    app = web.Application()
    app[PEERS], app[RELAY] = set(), MediaRelay()
    app.router.add_post("/offer", offer)
    app.on_shutdown.append(close_all)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None)


if __name__ == "__main__":
    main()
