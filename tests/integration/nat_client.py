"""Run inside a network namespace: offers a camera, and says from where its pictures came back."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.integration.peers import NumberedTrack, Watcher


async def main(timeout_s: float) -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTrack(NumberedTrack(fps=10, width=160, height=128))
    watchers: list[Watcher] = []
    pc.on("track", lambda track: watchers.append(Watcher(track)))
    await pc.setLocalDescription(await pc.createOffer())
    print(json.dumps(pc.localDescription.sdp), flush=True)
    answer = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    nominated = None
    with suppress(TimeoutError):
        await watchers[0].frames(10, timeout_s=timeout_s)
        transport = pc.getTransceivers()[0].receiver.transport.transport
        nominated = transport._connection._nominated[1].remote_addr
    print(json.dumps(nominated), flush=True)
    await pc.close()
    await watchers[0].aclose()


asyncio.run(main(float(sys.argv[1])))
