"""A peer's ends, the early ones too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch
from aiortc import RTCPeerConnection

from lightmill.config import load_config
from lightmill.errors import PeerNotFound
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.media.threads import CodecThreads
from lightmill.pipelines.registry import build_registry
from lightmill.session.broadcast import Broadcast
from lightmill.session.host import PeerRole
from lightmill.session.peer import Peer
from lightmill.session.services import Services
from lightmill.session.udp_mux import UdpMux


class Owner:
    """A session that only broadcasts."""

    name = "show"

    def __init__(self, broadcast: Broadcast) -> None:
        self.broadcast = broadcast

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
async def services():
    config = load_config(environ={}, flags={"rtc": {"udp_port": 0}})
    executors = DeviceExecutors(1)
    services = Services(
        config=config,
        registry=build_registry(),
        executors=executors,
        components=ComponentStore(executors, ArtifactStore(config.artifacts)),
        codecs=CodecThreads(1),
        device=torch.device("cpu"),
        udp=UdpMux(config.rtc),
    )
    services.udp.open()
    yield services
    services.udp.close()
    services.codecs.close()
    await executors.aclose()


@pytest.mark.parametrize("steps", [0, 3, 6, 9, 12, 14, 20])
async def test_a_peer_that_is_closed_while_it_negotiates_leaves_nothing(
    services: Services, steps: int
):
    broadcast = Broadcast(services.config.media, services.codecs, lambda: None, lambda _: None)
    remote = RTCPeerConnection()
    remote.addTransceiver("video", "recvonly")
    await remote.setLocalDescription(await remote.createOffer())
    peer = Peer(PeerRole.VIEWER, Owner(broadcast), services, None)
    before = asyncio.all_tasks()
    negotiation = asyncio.create_task(peer.negotiate(remote.localDescription.sdp, "auto"))
    for _ in range(steps):
        await asyncio.sleep(0)
    still_negotiating = not negotiation.done()
    await peer.aclose()
    if still_negotiating:
        with pytest.raises(PeerNotFound):
            await negotiation
    assert not broadcast.lanes and not services.udp.sockets[0].n_receivers
    async with asyncio.timeout(2):  # aiortc's own tasks notice the end a little later
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.01)
    await remote.close()
    await broadcast.aclose()
