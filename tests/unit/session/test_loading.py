from __future__ import annotations

import asyncio

import pytest

from lightmill.errors import Closed
from lightmill.inference.artifacts.progress import Phase, Progress
from lightmill.session import loading
from lightmill.session.loading import Loading


async def test_news_are_told_at_once_and_numbers_five_times_a_second(monkeypatch):
    now, told = 0.0, []
    monkeypatch.setattr(loading, "monotonic", lambda: now)
    watched = Loading(lambda: told.append(watched.to_json()))

    async def work(tell):
        nonlocal now
        for step in range(64):
            now = step / 64
            tell(Progress(Phase.DOWNLOAD, "weights.bin", step, 64))
        assert watched.line == "Its files are being fetched: 98 %."
        tell(Progress(Phase.LOAD))
        assert watched.line == "The pipeline is being loaded."
        return "loaded"

    assert await watched.run("thinker", work) == "loaded"
    assert [one["done_bytes"] for one in told] == [0, 13, 26, 39, 52, None]
    assert told[0] == {
        "pipeline": "thinker",
        "phase": "download",
        "file": "weights.bin",
        "done_bytes": 0,
        "total_bytes": 64,
    }
    assert watched.to_json() is None


async def test_cancelling_ends_what_is_loaded_and_refuses_more():
    watched, begun, ended = Loading(lambda: None), asyncio.Event(), []

    async def work(tell):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    waiting = asyncio.create_task(watched.run("thinker", work))
    await begun.wait()
    watched.cancel()
    with pytest.raises(Closed, match="was ended while"):
        await waiting
    with pytest.raises(Closed):
        await watched.run("thinker", work)
    assert ended == [True]


async def test_who_waits_may_be_cancelled_and_errors_pass():
    watched, begun = Loading(lambda: None), asyncio.Event()

    async def work(tell):
        begun.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(watched.run("thinker", work))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async def fail(tell):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await watched.run("thinker", fail)
