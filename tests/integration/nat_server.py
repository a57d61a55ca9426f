"""Run inside a network namespace: a host that answers the offer on standard input."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from lightmill.config import load_config
from lightmill.pipelines.registry import build_registry
from lightmill.session.host import PeerRequest, PeerRole
from lightmill.session.local import LocalSessionHost


async def main(flags: str) -> None:
    host = LocalSessionHost(load_config(environ={}, flags=json.loads(flags)), build_registry())
    await host.start()
    print("ready", flush=True)
    offer = json.loads(await asyncio.to_thread(sys.stdin.readline))
    answer = await host.connect(PeerRequest(PeerRole.DUPLEX, offer))
    print(json.dumps(answer.sdp), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await host.aclose()


logging.basicConfig(level="INFO")
asyncio.run(main(sys.argv[1]))
