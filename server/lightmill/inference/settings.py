"""Live settings of one stage: submitted any time, in force from the next chunk on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any


class LiveSettings:
    """Latest wins: what is submitted waits for the next chunk boundary, where `commit` takes it.

    ``in_force`` are the values that the next chunk is computed with; ``revision`` counts
    commits that changed them. All methods belong to the event loop's thread.
    """

    def __init__(self, values: Mapping[str, Any], on_submit: Callable[[], None]) -> None:
        self.in_force: dict[str, Any] = dict(values)
        self.revision = 1
        self._pending: dict[str, Any] | None = None
        self._boundary: asyncio.Future[None] | None = None
        self._on_submit = on_submit

    @property
    def dirty(self) -> bool:
        """Whether values wait for the next chunk boundary."""
        return self._pending is not None

    @property
    def newest(self) -> dict[str, Any]:
        """The values as they will be after the next boundary."""
        return self.in_force if self._pending is None else self._pending

    def submit(self, values: Mapping[str, Any]) -> asyncio.Future[None]:
        """Replace what waits; the future is done once these or later values are in force."""
        self._pending = dict(values)
        if self._boundary is None:
            self._boundary = asyncio.get_running_loop().create_future()
        self._on_submit()
        return self._boundary

    def commit(self) -> dict[str, Any]:
        """Put what waits in force and wake those who wait for it; returns ``in_force``."""
        if self._pending is not None:
            self.in_force, self._pending = self._pending, None
            self.revision += 1
        if self._boundary is not None:
            if not self._boundary.done():
                self._boundary.set_result(None)
            self._boundary = None
        return self.in_force
