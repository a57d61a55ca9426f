"""A pipeline slower than its camera: fresh frames, flat latency, settings that tell the truth."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic

import psutil
import pytest

from tests.integration.peers import NumberedTrack
from tests.integration.pipelines import Slow


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_latency_and_memory_stay_flat_for_a_minute(http, peer):
    camera = NumberedTrack(30)
    client = await peer(http).offer(camera, pipeline="test-slow", session="slow")
    await client.watcher_ready()
    await client.watcher.frames(30, timeout_s=30)
    rss = psutil.Process().memory_info().rss
    start, first = monotonic(), client.watcher.n_frames
    await asyncio.sleep(60)
    elapsed, shown = monotonic() - start, client.watcher.n_frames - first
    grown = psutil.Process().memory_info().rss - rss
    seen = client.watcher.seen[first:]
    latencies = [at - camera.sent_at[number] for at, number in seen]
    session = await (await http.get("/sessions/slow")).json()
    queue = session["latency_ms"]["queue"]
    print(
        f"{shown / elapsed:.1f} fps, queue {queue}, latency first/last second "
        f"{max(latencies[:10]):.3f}/{max(latencies[-10:]):.3f} s, RSS {grown / 1e6:+.1f} MB"
    )
    assert 8 <= shown / elapsed <= 10.5
    assert all(a < b for (_, a), (_, b) in pairwise(seen))
    assert queue["p95"] < 50
    assert sorted(latencies[-100:])[50] < sorted(latencies[:100])[50] + 0.1
    assert grown < 60e6  # a queue without bounds would take 800 MB
    gaps = [b - a for (_, a), (_, b) in pairwise(seen)]
    assert sorted(gaps)[len(gaps) // 2] in (3, 4)


async def test_settings_at_60_hz_end_with_the_last_and_every_reply_is_true(http, peer):
    client = await peer(http).offer(NumberedTrack(30), pipeline="test-slow")
    await client.watcher_ready()
    await client.watcher.frames(5)
    Slow.calls.clear()
    replies = []
    start = monotonic()
    for level in range(1, 121):
        replies.append(
            (level, client.control.post({"type": "settings", "settings": {"level": level}}))
        )
        await asyncio.sleep(max(0, start + level / 60 - monotonic()))
    sent_last = monotonic()
    answers = [(level, await asyncio.wait_for(reply, 5)) for level, reply in replies]
    replied_last = monotonic()
    await client.watcher.frames(3)
    assert all(
        answer["applied"] and answer["settings"]["level"] >= level for level, answer in answers
    )
    assert answers[-1][1]["settings"]["level"] == 120
    revisions = [answer["revision"] for _, answer in answers]
    assert revisions == sorted(revisions)
    first_with_last = next(at for at, level in Slow.calls if level == 120)
    assert first_with_last - sent_last < 0.25  # one chunk is 100 ms
    assert replied_last - sent_last < 0.25
    levels = [level for _, level in Slow.calls]
    assert levels == sorted(levels)
