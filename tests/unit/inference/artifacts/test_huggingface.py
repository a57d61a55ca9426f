"""The library that fetches from the Hub, in a process of its own, against a Hub of one file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from lightmill.errors import ArtifactError, ArtifactUnreachable
from lightmill.pipelines.artifacts import HuggingFaceArtifact
from tests.unit.inference.artifacts.conftest import CONTENT, needing

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = HuggingFaceArtifact(
    repo_id="acme/tiny",
    files=("unet/weights.bin",),
    revision=COMMIT,
    size_bytes=len(CONTENT),
    licence="Apache-2.0",
)
FETCH = """
import asyncio, json, sys
from lightmill.config import ArtifactsConfig
from lightmill.errors import LightmillError
from lightmill.inference.artifacts.store import ArtifactStore
from tests.unit.inference.artifacts.conftest import needing
from tests.unit.inference.artifacts.test_huggingface import MODEL

async def main():
    store, seen = ArtifactStore(ArtifactsConfig(dir=sys.argv[1], min_free_bytes=0)), []
    try:
        files = await store.fetch(needing(MODEL), lambda progress: seen.append(progress.to_json()))
        print(json.dumps({"files": {name: str(path) for name, path in files.items()}, "seen": seen}))
    except LightmillError as error:
        print(json.dumps({"code": error.code, "message": str(error)}))

asyncio.run(main())
"""


async def fetch(origin, cache):
    """Fetch `MODEL` in another process: the library reads where its Hub is when it is imported."""
    hub = {"HF_ENDPOINT": origin.url.removesuffix("/weights.bin"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FETCH, str(cache)),
        env=os.environ | hub,
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return json.loads(said.splitlines()[-1])


async def test_a_file_of_a_revision_is_fetched_broken_off_and_gone_on_with(
    origin, open_store, cache
):
    origin.content = whole = CONTENT * 24  # the library writes 10 MiB at a time
    origin.break_after = 22_000_000
    told = await fetch(origin, cache)
    path = told["files"]["unet/weights.bin"]
    assert path == str(cache / "huggingface/acme/tiny" / COMMIT / "unet/weights.bin")
    assert (cache / path).read_bytes() == whole
    assert origin.n_requests == 2 and origin.n_sent < len(whole) + 3_000_000
    assert {"phase", "file", "done_bytes", "total_bytes"} == set(told["seen"][-1])
    assert told["seen"][-1]["done_bytes"] == told["seen"][-1]["total_bytes"] == len(whole)
    found = await open_store(offline=True).fetch(needing(MODEL))
    assert str(found["unet/weights.bin"]) == path


async def test_what_is_unfinished_is_partial_and_can_be_removed(open_store, cache):
    path = cache / "huggingface/acme/tiny" / COMMIT / ".cache/huggingface/download/x.incomplete"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    store = open_store()
    assert (await store.describe(needing(MODEL)))[0]["state"] == "partial"
    await store.remove(needing(MODEL))
    assert not path.exists()
    assert (await store.describe(needing(MODEL)))[0]["state"] == "missing"


async def test_a_refusal_is_told(origin, cache):
    origin.status = 404
    told = await fetch(origin, cache)
    assert told["code"] == "artifact_unreachable"
    assert "404" in told["message"] and "lightmill models fetch thinker" in told["message"]


async def test_offline_a_file_by_hand_needs_its_size(open_store, cache):
    store = open_store(offline=True)
    with pytest.raises(ArtifactUnreachable, match=r"unet/weights\.bin could not be fetched"):
        await store.fetch(needing(MODEL))
    path = cache / "huggingface/acme/tiny" / COMMIT / "unet/weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    with pytest.raises(ArtifactError, match="it has 4 bytes, not 1000000"):
        await store.fetch(needing(MODEL))
    path.write_bytes(CONTENT)
    assert (await store.fetch(needing(MODEL)))["unet/weights.bin"] == path


async def test_a_branch_is_refused(open_store):
    moving = HuggingFaceArtifact(
        repo_id="acme/tiny", files=("x",), revision="main", size_bytes=1, licence="MIT"
    )
    with pytest.raises(ArtifactError, match="no commit of 40 hex digits"):
        await open_store().fetch(needing(moving))
