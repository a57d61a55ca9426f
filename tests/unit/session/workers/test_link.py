"""The link and the service at the two ends of a real socket pair, with the real local host."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from lightmill.config import load_config
from lightmill.errors import (
    InvalidSettings,
    LimitReached,
    PipelineNotFound,
    SessionExists,
    SessionNotFound,
    Unavailable,
    WorkerDied,
)
from lightmill.pipelines.registry import build_registry
from lightmill.session.local import LocalSessionHost
from lightmill.session.workers import link
from lightmill.session.workers.link import WorkerLink
from lightmill.session.workers.service import FrontVoice, WorkerService
from lightmill.session.workers.wire import RemoteFault


class Host(LocalSessionHost):
    """The real one, but the session ``stuck`` never ends."""

    withdrawn = False

    async def end_session(self, name: str) -> None:
        if name == "stuck":
            try:
                await asyncio.Event().wait()
            finally:
                self.withdrawn = True
        await super().end_session(name)


class Ends:
    """The two ends: ``link`` is the front's, ``service`` the worker's."""

    def __init__(self) -> None:
        self.heard: list[dict] = []

    async def open(self) -> Ends:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        voice = FrontVoice(writer)
        self.host = Host(load_config(environ={}), build_registry(), listener=voice)
        self.service = asyncio.create_task(WorkerService(self.host, voice).run(reader))
        self.worker_end = writer
        self.link = WorkerLink(
            "worker 0", *await asyncio.open_unix_connection(sock=ours), self.heard.append
        )
        return self

    async def ask(self, method: str, **arguments: object) -> object:
        return (await self.link.call(method, 10, **arguments)).message["ok"]

    async def aclose(self) -> None:
        await self.link.aclose()
        await self.service
        await self.host.aclose()
        self.worker_end.close()
        with suppress(ConnectionError):
            await self.worker_end.wait_closed()


@pytest.fixture
async def ends():
    ends = await Ends().open()
    yield ends
    await ends.aclose()


async def create(ends: Ends, name: str, codec: str | None = None, **chain: object) -> dict:
    request = {"name": name, "codec": codec, "chain": chain}
    return await ends.ask("create_session", request=request)


async def test_replies_errors_and_events_cross(ends):
    session = await create(ends, "show", pipeline="color", codec="vp8")
    assert session["codec"] == "vp8" and session["pipeline"] == "color"
    assert ends.heard == [{"event": "opened", "name": "show"}]
    with pytest.raises(SessionExists, match="show exists"):
        await create(ends, "show")
    with pytest.raises(PipelineNotFound):
        await create(ends, "other", pipeline="none")
    with pytest.raises(InvalidSettings) as refused:
        await ends.ask("update_settings", name="show", settings={"contrast": 99})
    assert [field.field for field in refused.value.fields] == ["contrast"]
    with pytest.raises(RemoteFault, match="its log"):
        await ends.ask("sessions", no_such_argument=1)
    assert [one["name"] for one in await ends.ask("sessions")] == ["show"]
    await ends.ask("end_session", name="show")
    assert ends.heard[-1] == {"event": "ended", "name": "show", "reason": "ended by request"}
    with pytest.raises(SessionNotFound):
        await ends.ask("session", name="show")


async def test_states_are_told_while_they_are_watched(ends):
    await create(ends, "show", pipeline="color")
    assert (await ends.ask("watch", name="show"))["codec"] == "auto"
    await ends.ask("update_session", name="show", chain={}, codec="h264")
    states = [told["session"] for told in ends.heard if told["event"] == "state"]
    assert states[-1]["codec"] == "h264"
    ends.link.tell("unwatch", name="show")
    await ends.ask("session", name="show")
    ends.heard.clear()
    await ends.ask("update_session", name="show", chain={}, codec="vp8")
    assert ends.heard == []


async def test_a_late_reply_is_not_waited_for_and_the_request_is_withdrawn(ends):
    with pytest.raises(Unavailable, match="did not answer within"):
        await ends.link.call("end_session", 0.05, name="stuck")
    await ends.ask("sessions")
    assert ends.host.withdrawn


async def test_requests_are_bounded_and_all_fail_when_the_worker_dies(ends, monkeypatch):
    monkeypatch.setattr(link, "MAX_IN_FLIGHT", 2)
    asked = [asyncio.create_task(ends.ask("sessions")) for _ in range(3)]
    await asyncio.sleep(0)
    ends.worker_end.transport.abort()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [WorkerDied, WorkerDied, LimitReached]
    await asyncio.wait_for(ends.link.wait_closed(), 5)
    with pytest.raises(WorkerDied):
        await ends.ask("sessions")
    ends.link.tell("unwatch", name="show")
