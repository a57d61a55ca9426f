"""Which viewers share the main rendition, which get the low one, and at what rates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Viewer = TypeVar("Viewer", bound=Hashable)

FAR_BELOW = 0.5
"""A viewer whose target is below this share of the next higher one's holds the others back."""
LEAVE_AFTER_S, LEAVE_AT_ONCE = 2.0, 0.25
"""It leaves the main rendition after the first, or at once below this share."""
LOW_SHARE = 0.5
"""Most of the main rate that the low rendition takes: a quarter of the pixels needs no more."""
RETURN, RETURN_AFTER_S = 0.65, 5.0
"""A low viewer returns when its target is this share of the main one for so long. Its network can
show no more than a little over `LOW_SHARE`, for no more is sent to it."""


@dataclass(frozen=True, slots=True)
class Division(Generic[Viewer]):
    """``low_bps`` is None when there is no low rendition; it is then to be closed."""

    main_bps: int
    low_bps: int | None
    low_viewers: frozenset[Viewer]


class Allocation(Generic[Viewer]):
    """Divides viewers into at most two renditions. One viewer never has a second one.

    The low rendition has half the width and height of the main one. Neither falls below
    ``floor_bps``. Times are seconds of one monotonic clock.
    """

    def __init__(self, floor_bps: int, idle_bps: int) -> None:
        """``idle_bps`` is the main rate while nobody watches."""
        self._floor_bps = floor_bps
        self._idle_bps = idle_bps
        self._low: set[Viewer] = set()
        self._since: dict[Viewer, float] = {}

    def divide(self, targets: Mapping[Viewer, int], now: float) -> Division[Viewer]:
        """Take every viewer's target (a viewer that is missing is gone); about 10 times a second."""
        self._low &= targets.keys()
        self._since = {viewer: at for viewer, at in self._since.items() if viewer in targets}
        if len(self._low) == len(targets):
            self._low.clear()
        self._leave(targets, now)
        self._return(targets, now)
        main = [target for viewer, target in targets.items() if viewer not in self._low]
        main_bps = max(self._floor_bps, min(main, default=self._idle_bps))
        low_bps = None
        if self._low:
            least = min(targets[viewer] for viewer in self._low)
            low_bps = max(self._floor_bps, min(least, round(LOW_SHARE * main_bps)))
        return Division(main_bps, low_bps, frozenset(self._low))

    def _leave(self, targets: Mapping[Viewer, int], now: float) -> None:
        main = sorted((t, i) for i, (v, t) in enumerate(targets.items()) if v not in self._low)
        viewers = list(targets)
        cut, ratio = _widest_gap([target for target, _ in main])
        for position, (_, index) in enumerate(main):
            viewer = viewers[index]
            if position >= cut or ratio >= FAR_BELOW:
                self._since.pop(viewer, None)
            elif now - self._since.setdefault(viewer, now) >= LEAVE_AFTER_S or (
                ratio < LEAVE_AT_ONCE
            ):
                self._low.add(viewer)
                del self._since[viewer]

    def _return(self, targets: Mapping[Viewer, int], now: float) -> None:
        main = [target for viewer, target in targets.items() if viewer not in self._low]
        threshold = RETURN * min(main, default=0)
        for viewer in tuple(self._low):
            if targets[viewer] < threshold:
                self._since.pop(viewer, None)
            elif now - self._since.setdefault(viewer, now) >= RETURN_AFTER_S:
                self._low.discard(viewer)
                del self._since[viewer]


def _widest_gap(ascending: list[int]) -> tuple[int, float]:
    """How many lie below the widest gap, and the ratio of the values beside it (1 without one)."""
    best, ratio = 0, 1.0
    for position in range(1, len(ascending)):
        if ascending[position - 1] < ratio * ascending[position]:
            best, ratio = position, ascending[position - 1] / ascending[position]
    return best, ratio
