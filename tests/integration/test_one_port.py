"""All sessions through one UDP port: the real command, real peers, real garbage."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import sys
from pathlib import Path
from time import monotonic

import aiohttp
import psutil
import pytest
from aioice import stun

from lightmill.signaling.keys import HOST
from tests.integration.peers import NumberedTrack, PeerClient
from tests.integration.test_offer import wait_for_state

SESSIONS = 10


def port_of(client) -> int:
    return client.server.app[HOST]._services.udp.port


def counts_of(client):
    return client.server.app[HOST]._services.udp.counts


def tables_of(client) -> list[tuple[int, int]]:
    udp = client.server.app[HOST]._services.udp
    return [(shared.n_receivers, shared.n_addresses) for shared in udp.sockets]


def small_camera() -> NumberedTrack:
    return NumberedTrack(fps=10, width=160, height=128)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def command():
    """``lightmill serve`` in its own process; gives the process, its URL and its UDP port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "lightmill",
        *("serve", "--port", "0"),
        env={"LIGHTMILL_RTC__UDP_PORT": str(port), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    log = (await process.stderr.readline()).decode()
    assert f"media on UDP port {port} of " in log
    yield process, re.search(r"http://\S+", line)[0], port
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


def udp_sockets(pid: int) -> set[tuple[str, int]]:
    return {tuple(one.laddr) for one in psutil.Process(pid).net_connections("udp")}


async def test_ten_sessions_need_the_sockets_of_one_port(command):
    process, url, port = command
    before = udp_sockets(process.pid)
    assert {number for _, number in before} == {port}
    async with aiohttp.ClientSession(url) as http:
        peers = [PeerClient(http) for _ in range(SESSIONS)]
        started = monotonic()
        await asyncio.gather(*(peer.offer(small_camera()) for peer in peers))
        for peer in peers:
            await peer.watcher_ready()
            await peer.watcher.frames(5, timeout_s=60)
        print(f"{SESSIONS} sessions showed 5 frames each after {monotonic() - started:.1f} s")
        assert udp_sockets(process.pid) == before
        answer = peers[0].pc.remoteDescription.sdp
        assert set(re.findall(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+)", answer)) == {str(port)}
        for peer in peers:
            assert await peer.delete() == 200
            await peer.aclose()
        assert (await (await http.get("/health")).json())["peers"] == 0
    assert udp_sockets(process.pid) == before


async def test_what_closes_leaves_the_tables_empty(http, peer):
    clients = [await peer(http).offer(small_camera()) for _ in range(2)]
    for client in clients:
        await client.watcher_ready()
        await client.watcher.frames(2)
    assert max(receivers for receivers, _ in tables_of(http)) == 2
    assert sum(addresses for _, addresses in tables_of(http)) >= 2
    for client in clients:
        await client.delete()
    assert set(tables_of(http)) == {(0, 0)}


async def test_two_servers_on_one_machine(server, peer):
    both = [await server(), await server()]
    assert port_of(both[0]) != port_of(both[1])
    for one in both:
        client = await peer(one).offer(small_camera())
        await client.watcher_ready()
        await client.watcher.frames(3)


async def test_ephemeral_ports_open_sockets_for_each_peer(server, peer):
    http = await server(rtc={"ephemeral_ports": True})
    client = await peer(http).offer(small_camera())
    await client.watcher_ready()
    await client.watcher.frames(3)
    assert port_of(http) is None and not tables_of(http)


def garbage(source: random.Random, ufrag: str) -> bytes:
    """Noise, or a check that somebody without the password might send, more or less broken."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:{source.randbytes(2).hex()}"
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity(source.randbytes(22))
    forged = bytearray(bytes(message))
    for _ in range(source.randrange(3)):
        forged[source.randrange(len(forged))] = source.randrange(256)
    noise = source.randbytes(source.randrange(1500))
    return source.choice(
        [noise, bytes([source.randrange(256)]) + noise, bytes(forged), bytes(forged[:-8]), b""]
    )


async def test_garbage_does_not_disturb_a_stream(http, peer):
    client = await peer(http).offer(small_camera(), session="steady")
    await client.watcher_ready()
    await client.watcher.frames(3)
    answer = client.pc.remoteDescription.sdp
    ufrag = re.search(r"a=ice-ufrag:(\S+)", answer)[1]
    host = re.search(r"a=candidate:\S+ 1 udp \d+ (\d+\.\S+) ", answer)[1]
    before = tables_of(http)
    source = random.Random(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(50):
            for _ in range(40):
                stranger.sendto(garbage(source, ufrag), (host, port_of(http)))
            await asyncio.sleep(0.01)
    await client.watcher.frames(10)
    assert counts_of(http)["unknown"] > 500 and not counts_of(http)["failed"]
    assert tables_of(http) == before
    assert (await wait_for_state(http, "steady", "live"))["state"] == "live"
