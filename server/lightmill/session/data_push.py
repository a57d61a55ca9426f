"""A pipeline's ``data`` on its way to the peers that asked for it; too much is dropped, not queued."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Protocol

logger = logging.getLogger(__name__)


class DataListener(Protocol):
    """A peer, as far as data concerns it."""

    @property
    def wants_data(self) -> bool: ...

    def push_data(self, text: str) -> bool:
        """Send now; ``False`` when the channel is full or not open."""
        ...


class DataPush:
    """One session's. Numbers the messages of each stage, so that a client sees what it missed."""

    def __init__(self, session: str, max_bytes: int) -> None:
        self._session = session
        self._max_bytes = max_bytes
        self._sequence: dict[str, int] = {}
        self._sent = 0
        self._dropped = 0
        self._too_large = 0

    def push(self, stage: str, pipeline: str, data: str, peers: Iterable[DataListener]) -> None:
        """Send ``data``, JSON text, to every peer that wants it and reads fast enough."""
        number = self._sequence[stage] = self._sequence.get(stage, 0) + 1
        listeners = [peer for peer in peers if peer.wants_data]
        if not listeners:
            return
        head = {"type": "data", "stage": stage, "pipeline": pipeline, "sequence": number}
        text = f'{json.dumps(head)[:-1]}, "data": {data}}}'
        if len(text) > self._max_bytes:
            self._refuse(pipeline, len(text))
            return
        for peer in listeners:
            if peer.push_data(text):
                self._sent += 1
            else:
                self._dropped += 1

    def _refuse(self, pipeline: str, size_bytes: int) -> None:
        self._too_large += 1
        if self._too_large == 1:
            logger.warning(
                "%s: %s made %d bytes of data, more than media.max_data_bytes = %d; such are dropped",
                self._session, pipeline, size_bytes, self._max_bytes,
            )  # fmt: skip

    def describe(self) -> dict[str, int]:
        """The ``data`` of a SESSION: messages sent, dropped before slow readers, and too large."""
        return {"sent": self._sent, "dropped": self._dropped, "too_large": self._too_large}
