"""A real coturn between peer and server, on loopback."""

from __future__ import annotations

import asyncio
import re
import shutil

import pytest
from aioice import Connection, ice, stun
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from lightmill.signaling.keys import HOST
from tests.integration.peers import NumberedTrack
from tests.integration.test_one_port import free_port, port_of

pytestmark = pytest.mark.skipif(not shutil.which("turnserver"), reason="coturn is not installed")


@pytest.fixture
async def turn(tmp_path):
    """The URL of a TURN server that relays between loopback addresses."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *("turnserver", "-n", "--lt-cred-mech", "--realm=test", "--user=mill:secret", "--no-cli"),
        *("--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"),
        *(f"--listening-port={port}", "--no-tls", "--no-dtls", "--fingerprint"),
        *("--log-file=stdout", f"--pidfile={tmp_path}/pid", f"--userdb={tmp_path}/db"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers(("127.0.0.1", port))
        yield f"turn:127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def answers(server: tuple[str, int]) -> None:
    """Wait until the server answers a STUN request; aioice sends it again until then."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: ice.StunProtocol(Connection(False)), ("127.0.0.1", 0)
    )
    await protocol.request(stun.Message(stun.Method.BINDING, stun.Class.REQUEST), server)
    transport.close()
    await asyncio.sleep(0)


def relayed(one, url: str):
    """Make a test peer reachable through the TURN server only."""
    server = RTCIceServer(url, "mill", "secret")
    one.pc = RTCPeerConnection(
        RTCConfiguration([server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    )
    return one


def selected_pair(http):
    """The server's side of the only peer's nominated pair."""
    [session] = http.server.app[HOST]._sessions.values()
    [peer] = session.peers.values()
    transport = peer._pc.getTransceivers()[0].receiver.transport.transport
    return transport._connection._nominated[1]


async def test_a_relayed_peer_reaches_the_one_port(turn, http, peer):
    client = await relayed(peer(http), turn).offer(NumberedTrack(fps=10))
    await client.watcher_ready()
    await client.watcher.frames(5)
    pair = selected_pair(http)
    assert pair.local_candidate.type == "host" and pair.local_candidate.port == port_of(http)


async def test_the_server_offers_a_relay_that_works(turn, server, peer, monkeypatch):
    ice = {"urls": [turn], "username": "mill", "credential": "secret"}
    http = await server(rtc={"ice_servers": [ice], "interfaces": ["!lo"]})
    client = relayed(peer(http), turn)
    set_remote = client.pc.setRemoteDescription

    async def relay_only(description):
        """Take the relayed candidates alone, so that the client lets nobody else through."""
        assert f" {port_of(http)} typ host" in description.sdp
        description.sdp = re.sub(r"a=candidate:.* typ (host|srflx).*\r\n", "", description.sdp)
        assert "typ relay" in description.sdp
        await set_remote(description)

    monkeypatch.setattr(client.pc, "setRemoteDescription", relay_only)
    await client.offer(NumberedTrack(fps=10))
    await client.watcher_ready()
    await client.watcher.frames(5)
    assert selected_pair(http).local_candidate.type == "relay"
    await client.delete()
