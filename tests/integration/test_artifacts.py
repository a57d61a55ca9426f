"""A pipeline whose file must be fetched, through the real server: seen while it loads, and its faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import load_config
from lightmill.pipelines.registry import build_registry
from lightmill.plugins import load_plugins
from tests.integration.test_workers import Events
from tests.unit.inference.artifacts.conftest import CONTENT, mount, origin
from tests.unit.inference.artifacts.origin import Origin
from tests.unit.test_plugins import install

__all__ = ["mount", "origin"]  # fixtures

Http = TestClient[Any, Any]
Start = Callable[..., Awaitable[Http]]
HALF = len(CONTENT) // 2
PLUGIN = """
import torch
from lightmill import BasePipelineConfig, ModeDefaults, Pipeline, Requirements, UrlArtifact, hookimpl

class ThinkerConfig(BasePipelineConfig):
    pipeline_id = "thinker"
    modes = {{"video": ModeDefaults(default=True)}}
    artifacts = [UrlArtifact(url="{url}", sha256="{sha256}", size_bytes={size}, licence="MIT")]

class Thinker(Pipeline):
    @classmethod
    def get_config_class(cls):
        return ThinkerConfig

    @classmethod
    def load_components(cls, config, device, files):
        return {{"weights": files["weights.bin"].read_bytes()}}

    @classmethod
    def warm_up(cls, components, device):
        components["warm"] = torch.is_inference_mode_enabled()

    def __init__(self, *, device, components=None, **settings):
        super().__init__(device=device, components=components)
        if len(components["weights"]) != {size} or not components["warm"]:
            raise ValueError("not what was fetched")

    def prepare(self, **kwargs):
        return Requirements(input_size=1)

    def __call__(self, **kwargs):
        return {{"video": torch.cat(kwargs["video"])}}

@hookimpl
def register_pipelines(register):
    register(Thinker)
"""


@pytest.fixture(params=[0, 2], ids=["one process", "two workers"])
async def start(
    request: pytest.FixtureRequest, tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    """Start a server with the plug-in; the file that it declares is the origin's."""
    clients: list[Http] = []

    async def serve(sha256: str = hashlib.sha256(CONTENT).hexdigest(), **artifacts: Any) -> Http:
        plugin = PLUGIN.format(url=origin.url, sha256=sha256, size=len(CONTENT))
        install(tmp_path, f"mill_thinker_{origin.server_port}", plugin)
        monkeypatch.syspath_prepend(tmp_path)
        settings = {"dir": str(tmp_path / "cache"), "min_free_bytes": 0, "stall_timeout_s": 10}
        flags = {"server": {"workers": request.param}, "artifacts": settings | artifacts}
        registry = build_registry()
        if not request.param:
            load_plugins(registry)
        config = load_config(environ={}, flags=flags)
        clients.append(TestClient(TestServer(create_app(config, registry=registry))))
        await clients[-1].start_server()
        return clients[-1]

    yield serve
    origin.released.set()
    for client in clients:
        await client.close()


alone = pytest.mark.parametrize("start", [0], indirect=True, ids=["one process"])


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(30):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found


def read(path: str) -> bytes | None:
    return Path(path).read_bytes() if Path(path).exists() else None


def place(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)


async def artifact_of(http: Http) -> dict[str, Any]:
    reply = await http.get("/pipelines/thinker/artifacts")
    assert reply.status == 200, await reply.text()
    (artifact,) = (await reply.json())["artifacts"]
    return artifact


async def loading_session(http: Http) -> dict[str, Any] | None:
    listed = (await (await http.get("/sessions")).json())["sessions"]
    return next((one for one in listed if one["loading"] and one["loading"]["done_bytes"]), None)


def create(http: Http, pipeline: str = "thinker", name: str = "show") -> Any:
    return http.post("/sessions", json={"name": name, "pipeline": pipeline})


async def test_a_session_is_seen_while_its_request_waits(start, origin):
    http = await start()
    assert (await artifact_of(http))["state"] == "missing"
    origin.hold_after = HALF
    waiting = asyncio.ensure_future(create(http))
    session = await until(lambda: loading_session(http))
    assert session["name"] == "show" and session["state"] == "loading"
    assert session["loading"]["pipeline"] == "thinker"
    assert session["loading"]["phase"] == "download"
    assert session["loading"]["file"] == "weights.bin"
    assert session["loading"]["total_bytes"] == len(CONTENT)
    events = await Events(http, "show").open()
    assert (await events.until("state"))["loading"]["phase"] == "download"
    artifact = await artifact_of(http)
    assert artifact["state"] == "partial" and artifact["progress"]["done_bytes"] > 0
    refused = await http.delete("/pipelines/thinker/artifacts")
    assert refused.status == 409
    assert not waiting.done()
    origin.released.set()
    made = await waiting
    assert made.status == 201 and (await made.json())["loading"] is None
    while (await events.until("state"))["state"] == "loading":
        pass
    assert (await artifact_of(http))["state"] == "present"
    assert (await create(http, name="other")).status == 201
    assert origin.n_requests == 1


@alone
async def test_a_session_that_loads_can_be_ended(start, origin):
    http = await start()
    origin.hold_after = HALF
    waiting = asyncio.ensure_future(create(http))
    await until(lambda: loading_session(http))
    assert (await http.delete("/sessions/show")).status == 204
    ended = await waiting
    assert ended.status == 409 and "was ended" in (await ended.json())["error"]["message"]
    origin.released.set()
    assert (await create(http)).status == 201


async def test_fetching_ahead_and_deleting(start, origin):
    http = await start()
    begun = await http.post("/pipelines/thinker/artifacts")
    assert begun.status == 202 and len((await begun.json())["artifacts"]) == 1

    async def present() -> bool:
        return (await artifact_of(http))["state"] == "present"

    await until(present)
    path = (await artifact_of(http))["paths"][0]
    assert read(path) == CONTENT
    assert (await http.delete("/pipelines/thinker/artifacts")).status == 204
    assert read(path) is None and (await artifact_of(http))["state"] == "missing"
    for method in ("get", "post", "delete"):
        assert (await getattr(http, method)("/pipelines/none/artifacts")).status == 404
    plain = await (await http.get("/pipelines/gray/artifacts")).json()
    assert plain == {"artifacts": []}


async def refuse(http: Http, status: int, code: str, *told: str) -> None:
    """The pipeline does not start, says why and where its file belongs; the server lives on."""
    reply = await create(http)
    error = (await reply.json())["error"]
    assert (reply.status, error["code"]) == (status, code), error
    assert ("Retry-After" in reply.headers) == (status == 503)
    artifact = await artifact_of(http)
    for text in (*told, artifact["paths"][0], artifact["source"], "lightmill models fetch thinker"):
        assert text in error["message"]
    assert (await http.get("/sessions/show")).status == 404
    assert (await create(http, "passthrough", "plain")).status == 201
    switched = await http.patch("/sessions/plain", json={"pipeline": "thinker"})
    assert switched.status == status
    session = await (await http.get("/sessions/plain")).json()
    assert session["pipeline"] == "passthrough" and session["loading"] is None
    assert (await (await http.get("/health")).json())["status"] == "ok"


@alone
async def test_interrupted_at_the_half(start, origin):
    http = await start()
    origin.break_after = HALF
    reply = await create(http)
    error = (await reply.json())["error"]
    assert reply.status == 503 and f"broke after {HALF} of {len(CONTENT)} bytes" in error["message"]
    assert (await create(http, "gray", "plain")).status == 201
    assert (await create(http)).status == 201
    assert origin.n_sent == len(CONTENT)


async def test_wrong_checksum(start):
    http = await start(sha256="0" * 64)
    await refuse(http, 502, "artifact_corrupt", "0" * 64, hashlib.sha256(CONTENT).hexdigest())


@alone
async def test_offline_and_then_placed_by_hand(start):
    http = await start(offline=True)
    await refuse(http, 503, "artifact_unreachable", "artifacts.offline is set")
    place(Path((await artifact_of(http))["paths"][0]))
    assert (await create(http)).status == 201


@alone
async def test_a_source_that_answers_otherwise(start, origin):
    origin.status = 404
    await refuse(await start(), 503, "artifact_unreachable", "answers 404")


@alone
async def test_a_cache_that_cannot_be_written(start, tmp_path):
    (tmp_path / "file").write_text("no directory")
    http = await start(dir=str(tmp_path / "file/cache"))
    await refuse(http, 507, "cache_unwritable", "artifacts.dir")


@alone
async def test_a_read_only_disk(start, mount):
    http = await start(dir=str(mount("size=4m,ro")))
    await refuse(http, 507, "cache_unwritable", "Read-only file system")


@alone
async def test_a_full_disk(start, mount):
    http = await start(dir=str(mount("size=256k")))
    await refuse(http, 507, "cache_full", "it needs 1.0 MB")


@alone
async def test_no_room_to_spare(start):
    http = await start(min_free_bytes=1 << 60)
    await refuse(http, 507, "cache_full", "min_free_bytes")
