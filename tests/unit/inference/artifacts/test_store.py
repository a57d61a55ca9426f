from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lightmill.errors import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactUnreachable,
    CacheFull,
    CacheUnwritable,
    Closed,
    Conflict,
)
from lightmill.inference.artifacts.layout import files_of
from tests.unit.inference.artifacts.conftest import CONTENT, needing

FETCH = """
import asyncio, json, sys
from lightmill.config import ArtifactsConfig
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.pipelines.artifacts import UrlArtifact
from tests.unit.inference.artifacts.conftest import needing
wish = json.loads(sys.argv[1])
async def main():
    store = ArtifactStore(ArtifactsConfig(dir=wish.pop("dir"), min_free_bytes=0))
    print("started", flush=True)
    print(await store.fetch(needing(UrlArtifact(**wish))))
asyncio.run(main())
"""


def path_of(weights, cache):
    return files_of(weights, cache)[0].path


def wish_of(weights, cache):
    fields = ("url", "sha256", "size_bytes", "licence")
    return json.dumps({name: getattr(weights, name) for name in fields} | {"dir": str(cache)})


def remount(place, mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", place], check=True)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_many_sessions_share_one_download_and_all_see_it(origin, weights, open_store):
    store, seen = open_store(), [[] for _ in range(8)]
    fetches = [store.fetch(needing(weights), told.append) for told in seen]
    found = await asyncio.gather(*fetches)
    assert origin.n_requests == 1 and len({str(files) for files in found}) == 1
    assert all(told[-1].done_bytes == len(CONTENT) for told in seen)


async def test_a_download_stops_with_the_last_who_waits_and_goes_on_later(
    origin, weights, open_store, cache
):
    origin.hold_after = len(CONTENT) // 2
    store, seen = open_store(), []
    one, other = (asyncio.create_task(store.fetch(needing(weights), seen.append)) for _ in "ab")
    await until(lambda: seen and seen[-1].done_bytes)
    one.cancel()
    await asyncio.sleep(0)
    assert (await store.describe(needing(weights)))[0]["progress"]["phase"] == "download"
    other.cancel()
    await asyncio.wait([one, other])
    assert one.cancelled() and other.cancelled()
    origin.released.set()
    files = await store.fetch(needing(weights))
    assert files["weights.bin"].read_bytes() == CONTENT
    await store.aclose()


async def test_closing_ends_what_runs_and_refuses_more(origin, weights, open_store):
    origin.hold_after = len(CONTENT) // 2
    store, seen = open_store(stall_timeout_s=0.5), []
    fetch = asyncio.create_task(store.fetch(needing(weights), seen.append))
    await until(lambda: seen and seen[-1].done_bytes)
    await store.aclose()
    with pytest.raises((Closed, ArtifactUnreachable)):
        await fetch
    with pytest.raises(Closed):
        await store.fetch(needing(weights))
    await store.aclose()


async def test_two_processes_download_once(origin, weights, open_store, cache):
    origin.hold_after = 100_000
    store = open_store()
    ours = asyncio.create_task(store.fetch(needing(weights)))
    await until(lambda: origin.n_sent >= 100_000)
    command = [sys.executable, "-c", FETCH, wish_of(weights, cache)]
    theirs = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert (await theirs.stdout.readline()).strip() == b"started"
    await asyncio.sleep(0.2)
    origin.released.set()
    said, _ = await theirs.communicate()
    assert str((await ours)["weights.bin"]) in said.decode()
    assert origin.n_requests == 1


async def test_a_process_killed_in_the_middle_leaves_nothing_wrong(
    origin, weights, open_store, cache
):
    origin.hold_after = len(CONTENT) // 2
    command = [sys.executable, "-c", FETCH, wish_of(weights, cache)]
    theirs = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    part = path_of(weights, cache).with_name("weights.bin.part")
    await until(lambda: part.is_file() and part.stat().st_size > 0)
    theirs.kill()
    await theirs.communicate()
    assert not path_of(weights, cache).exists()
    origin.released.set()
    files = await open_store().fetch(needing(weights))
    assert files["weights.bin"].read_bytes() == CONTENT


async def test_offline_names_the_file_its_place_and_the_remedy(weights, open_store, cache):
    store = open_store(offline=True)
    with pytest.raises(ArtifactUnreachable) as refused:
        await store.fetch(needing(weights))
    message = str(refused.value)
    path = path_of(weights, cache)
    for told in ("weights.bin", str(path), weights.url, weights.sha256, "models fetch thinker"):
        assert told in message
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ArtifactCorrupt, match=r"artifacts\.offline forbids"):
        await store.fetch(needing(weights))
    path.write_bytes(CONTENT)
    assert (await store.describe(needing(weights)))[0]["state"] == "unchecked"
    assert (await store.fetch(needing(weights)))["weights.bin"] == path
    assert (await store.describe(needing(weights)))[0]["state"] == "present"


async def test_a_file_that_changed_is_compared_again_and_replaced(origin, weights, open_store):
    (path,) = (await open_store().fetch(needing(weights))).values()
    path.write_bytes(bytes(len(CONTENT)))
    assert (await open_store().describe(needing(weights)))[0]["state"] == "unchecked"
    await open_store().fetch(needing(weights))
    assert path.read_bytes() == CONTENT and origin.n_requests == 2
    os.utime(path)
    await open_store().fetch(needing(weights))
    assert origin.n_requests == 2


async def test_a_full_disk(origin, weights, open_store, mount):
    place = mount("size=256k")
    with pytest.raises(CacheFull, match="is full") as refused:
        await open_store(dir=str(place)).fetch(needing(replace(weights, size_bytes=1000)))
    assert "artifacts.dir" in str(refused.value)
    assert not [path for path in place.rglob("*weights*") if path.is_file()]
    with pytest.raises(CacheFull, match=r"it needs 1\.0 MB"):
        await open_store(dir=str(place)).fetch(needing(weights))
    assert origin.n_requests == 1


async def test_room_is_kept_free(origin, weights, open_store):
    with pytest.raises(CacheFull, match="min_free_bytes keeps"):
        await open_store(min_free_bytes=1 << 60).fetch(needing(weights))
    assert origin.n_requests == 0


async def test_a_read_only_cache_serves_what_it_has(weights, open_store, mount):
    place = mount("size=4m")
    remount(place, "ro")
    with pytest.raises(CacheUnwritable) as refused:
        await open_store(dir=str(place)).fetch(needing(weights))
    assert "Read-only file system" in str(refused.value) and "artifacts.dir" in str(refused.value)
    remount(place, "rw")
    path = path_of(weights, place)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    remount(place, "ro")
    store = open_store(dir=str(place))
    assert (await store.fetch(needing(weights)))["weights.bin"] == path
    assert (await store.describe(needing(weights)))[0]["state"] == "present"
    with pytest.raises(CacheUnwritable, match="could not be deleted"):
        await store.remove(needing(weights))


async def test_a_cache_that_cannot_be_made(weights, open_store, tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(CacheUnwritable, match="could not be stored"):
        await open_store(dir=str(tmp_path / "file/cache")).fetch(needing(weights))


async def test_ahead_and_away_again(origin, weights, open_store, cache):
    store = open_store()
    origin.hold_after = 100_000
    store.fetch_ahead(needing(weights))
    store.fetch_ahead(needing(weights))
    await until(lambda: origin.n_sent >= 100_000)
    with pytest.raises(Conflict, match="are being fetched"):
        await store.remove(needing(weights))
    origin.released.set()
    while (described := (await store.describe(needing(weights)))[0])["state"] != "present":
        await asyncio.sleep(0.01)
    assert described["paths"] == [str(path_of(weights, cache))]
    assert described["progress"] is None and described["licence"] == "MIT"
    await store.remove(needing(weights))
    assert (await store.describe(needing(weights)))[0]["state"] == "missing"
    assert not list(cache.rglob("*weights*"))


async def test_a_failure_is_described_until_the_file_is_there(origin, weights, open_store):
    store = open_store()
    origin.status = 404
    store.fetch_ahead(needing(weights))
    while (described := (await store.describe(needing(weights)))[0])["error"] is None:
        await asyncio.sleep(0.01)
    assert "answers 404" in described["error"] and described["state"] == "missing"
    origin.status = 200
    await store.fetch(needing(weights))
    assert (await store.describe(needing(weights)))[0]["error"] is None


def test_the_cache_follows_xdg(monkeypatch):
    from lightmill.inference.artifacts.layout import cache_directory

    assert cache_directory("", {"XDG_CACHE_HOME": "/var/x"}) == Path("/var/x/lightmill")
    assert cache_directory("", {"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache/lightmill"
    assert cache_directory("/srv/models", {}) == Path("/srv/models")


async def test_what_a_plugin_declares_wrongly_keeps_nobody_else_from_their_files(
    weights, open_store, cache
):
    wrong = replace(weights, name="../elsewhere")
    store = open_store((weights, wrong, replace(weights, name="a\0b")))
    await store.fetch(needing(weights))
    assert path_of(weights, cache).read_bytes() == CONTENT
    with pytest.raises(ArtifactError, match="plain paths"):
        await store.fetch(needing(wrong))
    await store.aclose()
