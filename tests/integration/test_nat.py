"""Three network namespaces: a client, a NAT and a server that the client cannot reach directly."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTER, INNER = "198.51.100", "10.77.0"
"""The networks between client and NAT, and between NAT and server; NAT is .1, they are .2."""


def ip(*words: str) -> bool:
    done = subprocess.run(["ip", *words], check=False, capture_output=True)
    return done.returncode == 0


@pytest.fixture
def networks():
    """The names of the namespaces: client, NAT, server."""
    names = [f"lm{role}{os.getpid()}" for role in ("client", "nat", "server")]
    client, nat, server = names
    try:
        for name in names:
            if not ip("netns", "add", name):
                pytest.skip("network namespaces need root")
        for index, (name, net) in enumerate(((client, OUTER), (server, INNER))):
            near, far = f"lmn{index}", f"lmf{index}"
            assert ip(
                *("-n", nat, "link", "add", near, "type", "veth"),
                *("peer", "name", far, "netns", name),
            )
            assert ip("-n", nat, "addr", "add", f"{net}.1/24", "dev", near)
            assert ip("-n", name, "addr", "add", f"{net}.2/24", "dev", far)
            assert ip("-n", nat, "link", "set", near, "up")
            assert ip("-n", name, "link", "set", far, "up")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


async def run(name: str, module: str, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", name, sys.executable, "-m", f"tests.integration.{module}", *args),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def line(process: asyncio.subprocess.Process) -> str:
    text = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    assert text, "the process ended"
    return text


async def stream(
    networks: list[str], rtc: dict[str, object], timeout_s: float
) -> tuple[str, list[object] | None]:
    """The answer, and the server address that pictures came from; ``None`` when none came."""
    client_net, nat_net, server_net = networks
    server = await run(server_net, "nat_server", json.dumps({"rtc": rtc}))
    nat = await run(nat_net, "nat_box", f"{OUTER}.1", "9000", f"{INNER}.2", "8189")
    client = await run(client_net, "nat_client", str(timeout_s))
    try:
        for process in (server, nat):
            assert await line(process) == "ready"
        server.stdin.write((await line(client) + "\n").encode())
        answer = await line(server)
        client.stdin.write((answer + "\n").encode())
        nominated = json.loads(await line(client))
        server.stdin.close()
        await server.wait()
    finally:
        for process in (server, nat, client):
            if process.returncode is None:
                process.kill()
            await process.communicate()
    return json.loads(answer), nominated


async def test_an_advertised_address_leads_through_a_nat(networks):
    answer, nominated = await stream(
        networks, {"udp_port": 8189, "advertise": [f"{OUTER}.1:9000"]}, 30
    )
    candidates = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
    assert candidates[0] == (f"{OUTER}.1", "9000")
    assert (f"{INNER}.2", "8189") in candidates
    assert nominated == [f"{OUTER}.1", 9000]


async def test_without_it_the_client_finds_no_way(networks):
    _, nominated = await stream(networks, {"udp_port": 8189}, 5)
    assert nominated is None
