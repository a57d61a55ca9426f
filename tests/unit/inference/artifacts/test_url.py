from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from lightmill.errors import ArtifactCorrupt, ArtifactUnreachable
from lightmill.inference.artifacts.url import refuse_address
from tests.unit.inference.artifacts.conftest import CONTENT, needing

HALF = len(CONTENT) // 2


def leftovers(cache):
    return sorted(path.name for path in cache.rglob("*") if ".part" in path.name)


async def test_a_file_is_fetched_verified_and_then_found_without_the_network(
    origin, weights, open_store, cache
):
    seen = []
    files = await open_store().fetch(needing(weights), seen.append)
    assert files["weights.bin"].read_bytes() == CONTENT
    assert seen[-1].done_bytes == seen[-1].total_bytes == len(CONTENT)
    assert not leftovers(cache)
    assert await open_store().fetch(needing(weights)) == files
    assert origin.n_requests == 1


async def test_an_interrupted_download_goes_on_where_it_broke(origin, weights, open_store, cache):
    origin.break_after = HALF
    with pytest.raises(ArtifactUnreachable, match=f"broke after {HALF} of {len(CONTENT)}") as lost:
        await open_store().fetch(needing(weights))
    assert "lightmill models fetch thinker" in str(lost.value)
    (described,) = await open_store().describe(needing(weights))
    assert described["state"] == "partial"
    files = await open_store().fetch(needing(weights))
    assert files["weights.bin"].read_bytes() == CONTENT
    assert origin.n_sent == len(CONTENT)
    assert not leftovers(cache)


async def test_what_changed_meanwhile_is_fetched_anew(origin, weights, open_store):
    origin.content = bytes(len(CONTENT))
    origin.break_after = HALF
    with pytest.raises(ArtifactUnreachable):
        await open_store().fetch(needing(weights))
    origin.content, origin.etag = CONTENT, '"two"'
    files = await open_store().fetch(needing(weights))
    assert files["weights.bin"].read_bytes() == CONTENT
    assert origin.n_sent == HALF + len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_wrong_beginning_is_dropped_even_when_no_etag_tells(
    origin, weights, open_store, ranges
):
    origin.etag, origin.content, origin.break_after = None, bytes(len(CONTENT)), HALF
    with pytest.raises(ArtifactUnreachable):
        await open_store().fetch(needing(weights))
    origin.content, origin.ranges = CONTENT, ranges
    files = await open_store().fetch(needing(weights))
    assert files["weights.bin"].read_bytes() == CONTENT


async def test_a_part_longer_than_the_file_is_dropped(origin, weights, open_store):
    origin.break_after = HALF
    with pytest.raises(ArtifactUnreachable):
        await open_store().fetch(needing(weights))
    origin.content = b"short"
    digest = hashlib.sha256(b"short").hexdigest()
    short = replace(weights, sha256=digest, size_bytes=5, name="short")
    (path,) = (await open_store().fetch(needing(short))).values()
    path.with_name("short.part").write_bytes(bytes(9))
    path.unlink()
    (again,) = (await open_store().fetch(needing(short))).values()
    assert again.read_bytes() == b"short"


async def test_a_wrong_checksum_leaves_nothing_behind(origin, weights, open_store, cache):
    wrong = replace(weights, sha256="0" * 64)
    with pytest.raises(ArtifactCorrupt, match="not the file that was declared") as refused:
        await open_store().fetch(needing(wrong))
    assert weights.sha256 in str(refused.value) and "0" * 64 in str(refused.value)
    assert not list(cache.rglob("*weights*"))
    (described,) = await open_store().describe(needing(wrong))
    assert described["state"] == "missing"


async def test_a_file_without_end_is_refused(origin, weights, open_store, cache):
    origin.content = bytes(4_000_000)
    with pytest.raises(ArtifactCorrupt, match="longer than the 1000000 bytes"):
        await open_store().fetch(needing(weights))
    assert not list(cache.rglob("*weights*"))


@pytest.mark.parametrize(("status", "says"), [(404, "answers 404"), (503, "answers 503")])
async def test_a_refusal_is_told(origin, weights, open_store, status, says):
    origin.status = status
    with pytest.raises(ArtifactUnreachable, match=says):
        await open_store().fetch(needing(weights))


async def test_nobody_there(weights, open_store, unused_tcp_port):
    gone = replace(weights, url=f"http://127.0.0.1:{unused_tcp_port}/weights.bin")
    with pytest.raises(ArtifactUnreachable, match="refused"):
        await open_store().fetch(needing(gone))


async def test_a_silent_source_is_given_up(origin, weights, open_store):
    origin.hold_after = HALF
    with pytest.raises(ArtifactUnreachable, match="timed out"):
        await open_store(stall_timeout_s=0.3).fetch(needing(weights))


async def test_redirects_lead_to_https_only(origin, weights, open_store):
    origin.redirect = "http://example.org/weights.bin"
    with pytest.raises(ArtifactUnreachable, match="is not an https address"):
        await open_store().fetch(needing(weights))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://example.org/x", "https://example.org/x"),
        ("http://127.0.0.1/x", "https://example.org/x"),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
        ("file:///etc/passwd", "http://127.0.0.1/x"),
        ("http://127.0.0.1.example.org/x", "http://127.0.0.1.example.org/x"),
    ],
)
def test_addresses_that_are_refused(url, origin):
    with pytest.raises(ValueError, match="is not an https address"):
        refuse_address(url, origin)


def test_addresses_that_serve():
    refuse_address("https://example.org/x", "http://127.0.0.1/x")
    refuse_address("http://[::1]:80/x", "http://localhost/x")
