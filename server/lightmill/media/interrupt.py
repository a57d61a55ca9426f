"""Ending a blocking FFmpeg call from another thread, which PyAV offers only by timeout.

FFmpeg asks PyAV every tenth of a second whether to go on waiting, in the waiting thread, and PyAV
compares ``time.monotonic()`` with its timeout. It finds ``time`` in the globals of
`av.container.core`: the one internal that this module leans on.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from av.container import core

LEAP_S = 1e6
"""Longer than any timeout."""

_adopted = threading.local()


class Interrupt:
    """Ends what FFmpeg does in the thread that adopted it, within about 0.1 s, and all it begins later.

    It acts only on containers that were opened with a timeout. Resolving a host name is not ended.
    """

    def __init__(self) -> None:
        self._set = threading.Event()
        self._n_leaps = 0

    def adopt(self) -> None:
        """Apply to the calling thread from now on."""
        _adopted.interrupt = self
        # PyAV's stubs do not show what its module imports.
        if not isinstance(getattr(core, "time", None), _Clock):
            core.time = _Clock()  # pyright: ignore[reportAttributeAccessIssue]

    def set(self) -> None:
        self._set.set()

    def is_set(self) -> bool:
        return self._set.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep; whether it was set meanwhile."""
        return self._set.wait(timeout_s)

    def leap_s(self) -> float:
        """How far the clock has jumped; it grows, so that a timeout that begins now ends too."""
        self._n_leaps += 1
        return self._n_leaps * LEAP_S


class _Clock:
    """Stands for the module ``time`` in PyAV: of it, PyAV uses ``monotonic``."""

    def monotonic(self) -> float:
        interrupt: Interrupt | None = getattr(_adopted, "interrupt", None)
        now = time.monotonic()
        return now + interrupt.leap_s() if interrupt is not None and interrupt.is_set() else now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
