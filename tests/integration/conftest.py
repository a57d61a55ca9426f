"""A real server on loopback and as many real peers as a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import Config, load_config
from lightmill.pipelines.registry import build_registry
from tests.integration.chain_pipelines import CHAIN_PIPELINES
from tests.integration.peers import PeerClient
from tests.integration.pipelines import TEST_PIPELINES

Server = Callable[..., Awaitable[TestClient[Any, Any]]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """Start servers with these config flags; the tests' own pipelines are registered too."""
    clients: list[TestClient[Any, Any]] = []

    async def start(**flags: Any) -> TestClient[Any, Any]:
        flags.setdefault("presets", {"dir": str(tmp_path / "presets")})
        config: Config = load_config(environ={}, flags=flags)
        registry = build_registry()
        for pipeline in [*TEST_PIPELINES, *CHAIN_PIPELINES]:
            registry.register(pipeline, plugin="tests")
        client = TestClient(TestServer(create_app(config, registry=registry)))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def http(server: Server) -> TestClient[Any, Any]:
    return await server()


@pytest.fixture
async def peer() -> AsyncIterator[Callable[[TestClient[Any, Any]], PeerClient]]:
    """Make peers that are closed when the test ends."""
    peers: list[PeerClient] = []

    def make(client: TestClient[Any, Any]) -> PeerClient:
        peers.append(PeerClient(client))
        return peers[-1]

    yield make
    for one in peers:
        await one.aclose()
