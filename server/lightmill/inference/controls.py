"""Keyboard and mouse of one session, gathered between chunks."""

from __future__ import annotations

from collections.abc import Iterable

from lightmill.pipelines.config import CtrlInput


class ControlState:
    """Keys persist while they are held; mouse movement is summed and handed out once."""

    def __init__(self) -> None:
        self._keys: frozenset[str] = frozenset()
        self._dx = 0.0
        self._dy = 0.0

    def update(self, keys: Iterable[str], dx: float, dy: float) -> None:
        """Take one message: the keys held now (W3C ``code`` names), pixels since the last."""
        self._keys = frozenset(keys)
        self._dx += dx
        self._dy += dy

    def take(self) -> CtrlInput:
        """The input for the next chunk; the mouse starts from zero again."""
        taken = CtrlInput(button=set(self._keys), mouse=(self._dx, self._dy))
        self._dx = self._dy = 0.0
        return taken
