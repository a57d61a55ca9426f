"""What subscribers of a session are told: its newest state, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lightmill.errors import Closed, LimitReached

MAX_SUBSCRIBERS = 256
"""Of one session; each holds at most one state and one end."""
ENDED = "ended"
WORKER_DIED = "worker_died"
DEATH_REASON = "its worker process died"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """``state`` carries a SESSION of ``docs/protocol.md``; ``ended`` a ``reason`` and a ``code``."""

    kind: Literal["state", "ended"]
    body: dict[str, Any]


class EventStream:
    """One subscriber. A state that it did not take in time is replaced by the newer one."""

    def __init__(self, on_close: Callable[[EventStream], None]) -> None:
        self._on_close = on_close
        self._state: dict[str, Any] | None = None
        self._end: SessionEvent | None = None
        self._shown = False
        self._closed = False
        self._news = asyncio.Event()

    def show(self, session: dict[str, Any]) -> None:
        """Offer a state; it replaces one that waits."""
        if self._end is None:
            self._state = session
            self._shown = True
            self._news.set()

    def introduce(self, session: dict[str, Any]) -> None:
        """Offer a state that was asked for, unless a newer one has come by itself meanwhile."""
        if not self._shown:
            self.show(session)

    def end(self, reason: str, code: str = ENDED) -> None:
        """Make ``ended`` the last event. Only the first call counts."""
        if self._end is None:
            self._end = SessionEvent("ended", {"reason": reason, "code": code})
            self._news.set()

    async def next(self) -> SessionEvent:
        """The next event. Raises `Closed` after ``ended`` and after `close`."""
        while not self._closed:
            if self._state is not None:
                state, self._state = self._state, None
                return SessionEvent("state", state)
            if self._end is not None:
                self.close()
                return self._end
            self._news.clear()
            await self._news.wait()
        raise Closed("the subscription has ended")

    def close(self) -> None:
        """Unsubscribe. Idempotent."""
        if not self._closed:
            self._closed = True
            self._news.set()
            self._on_close(self)


class EventHub:
    """All subscribers by session name; ``on_unused`` hears of a name whose last one left."""

    def __init__(self, on_unused: Callable[[str], None] = lambda _: None) -> None:
        self._streams: dict[str, set[EventStream]] = {}
        self._on_unused = on_unused

    def subscribe(self, name: str) -> EventStream:
        """A new subscriber; the caller introduces the present state.

        Raises:
            LimitReached: the session has `MAX_SUBSCRIBERS`.

        """
        streams = self._streams.setdefault(name, set())
        if len(streams) >= MAX_SUBSCRIBERS:
            raise LimitReached(f"{name} has {MAX_SUBSCRIBERS} subscribers, the most allowed")
        stream = EventStream(lambda closed: self._drop(name, closed))
        streams.add(stream)
        return stream

    def _drop(self, name: str, stream: EventStream) -> None:
        streams = self._streams.get(name)
        if streams is None or stream not in streams:
            return
        streams.discard(stream)
        if not streams:
            del self._streams[name]
            self._on_unused(name)

    def show(self, name: str, session: dict[str, Any]) -> None:
        for stream in self._streams.get(name, ()):
            stream.show(session)

    def end(self, name: str, reason: str, code: str = ENDED) -> None:
        """Tell everybody; those who subscribe later belong to a later session of that name."""
        for stream in self._streams.pop(name, ()):
            stream.end(reason, code)
