"""A session's sinks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from lightmill.config import Config
from lightmill.errors import Closed, LimitReached, SinkNotFound
from lightmill.session.broadcast import Broadcast
from lightmill.session.sink import Sink
from lightmill.session.target import parse_target


class Sinks:
    """Owned and closed by the session; ``on_change`` hears of every change."""

    def __init__(
        self, session: str, broadcast: Broadcast, config: Config, on_change: Callable[[], None]
    ) -> None:
        self._session = session
        self._broadcast = broadcast
        self._config = config
        self._on_change = on_change
        self._sinks: dict[str, Sink] = {}
        self._closed = False

    @property
    def active(self) -> bool:
        """Whether one of them sends, or tries to."""
        return not all(sink.failed for sink in self._sinks.values())

    def describe(self) -> list[dict[str, Any]]:
        return [sink.describe() for sink in self._sinks.values()]

    async def add(self, url: str, sound: Literal["opus", "aac"] | None) -> dict[str, Any]:
        """Begin to send to ``url``.

        Raises:
            InvalidInput: it is no address that is allowed.
            LimitReached: there are enough, or no room for a file.
            Closed: the session has ended.

        """
        target = parse_target(url, sound, self._config)
        most = self._config.sinks.max_per_session
        if target.shelf is not None:
            await asyncio.to_thread(target.shelf.prepare)
        if self._closed:
            raise Closed(f"{self._session} has ended")
        if len(self._sinks) >= most:
            raise LimitReached(f"{self._session} has {most} sinks; see sinks.max_per_session")
        sink = Sink(target, self._broadcast, self._config, self._on_change)
        self._sinks[sink.id] = sink
        self._on_change()
        return sink.describe()

    async def remove(self, sink_id: str) -> None:
        """End one. Raises `SinkNotFound`."""
        sink = self._sinks.pop(sink_id, None)
        if sink is None:
            raise SinkNotFound(f"{self._session} has no sink {sink_id[:40]!r}")
        await sink.aclose()
        self._on_change()

    async def aclose(self) -> None:
        """End all. Idempotent."""
        self._closed = True
        sinks, self._sinks = list(self._sinks.values()), {}
        await asyncio.gather(*(sink.aclose() for sink in sinks))
