"""Where a new session goes, and when a worker that died is replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NEW_SESSION_CPU_SHARE = 0.1
"""Cores that a session takes before it is measured: 640x480 at 30 fps, passthrough."""
CPU_STEP = 0.1
"""Cores. Smaller differences are noise; then peers and sessions decide."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A worker that lived longer is replaced at once when it dies."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker carries; ``cpu_share`` is in cores, ``n_unmeasured`` sessions came after it."""

    worker: int
    cpu_share: float = 0.0
    n_unmeasured: int = 0
    n_peers: int = 0
    n_sessions: int = 0


def least_loaded(loads: Iterable[Load]) -> int | None:
    """The worker with the least CPU, then the fewest peers, then sessions; ``None`` of none."""
    best = min(loads, key=_weight, default=None)
    return None if best is None else best.worker


def _weight(load: Load) -> tuple[int, int, int, int]:
    expected = load.cpu_share + load.n_unmeasured * NEW_SESSION_CPU_SHARE
    return round(expected / CPU_STEP), load.n_peers, load.n_sessions, load.worker


def restart_delay_s(n_quick_deaths: int) -> float:
    """Wait before the next start: none at first, then doubling up to `LONGEST_DELAY_S`.

    ``n_quick_deaths`` counts those in a row within `HEALTHY_AFTER_S` of their start, before this.
    """
    if n_quick_deaths == 0:
        return 0.0
    doublings = min(n_quick_deaths - 1, 10)
    return min(FIRST_DELAY_S * 2**doublings, LONGEST_DELAY_S)
