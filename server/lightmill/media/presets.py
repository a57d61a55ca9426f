"""How much effort libx264 may spend: a pure ladder, and the idle CPU share that drives it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

PRESETS = ("ultrafast", "superfast", "veryfast")
"""From cheap to costly. Slower ones gain nothing in baseline (tests/benchmarks/bench_quality)."""
UP_IDLE, UP_LOAD = 0.6, 0.25
"""A step up needs this share of the CPU idle, and less than this share of the time encoding."""
DOWN_IDLE, DOWN_LOAD = 0.2, 0.5
"""Less idle or more encoding than this asks for a step down."""
UP_AFTER_S, UP_AFTER_MAX_S = 10.0, 300.0
"""How long it must have been calm; doubled by each step down, since the CPU was misjudged."""
DOWN_AFTER_S = 2.0
LATE_FRAMES = 3
"""So many frames in a row that took longer than their interval step down at once."""
STAT = Path("/proc/stat")
IDLE_READ_INTERVAL_S = 0.5


class PresetLadder:
    """Answers the preset after each frame. Each change costs a keyframe, so changes are rare."""

    def __init__(self) -> None:
        self._step = 0
        self._up_after_s = UP_AFTER_S
        self._calm_since: float | None = None
        self._busy_since: float | None = None
        self._n_late = 0

    @property
    def preset(self) -> str:
        return PRESETS[self._step]

    def observe(self, encode_s: float, interval_s: float, idle: float | None, now: float) -> str:
        """Take one frame's encode time and interval, and the share of the CPU that is idle.

        ``idle`` is in [0, 1], or ``None`` where nobody knows; then there is no step up.
        """
        late = encode_s > interval_s
        self._n_late = self._n_late + 1 if late else 0
        idle_or_busy = 0.0 if idle is None else idle
        busy = encode_s > DOWN_LOAD * interval_s or (idle is not None and idle < DOWN_IDLE)
        calm = not busy and idle_or_busy >= UP_IDLE and encode_s < UP_LOAD * interval_s
        self._busy_since = _since(self._busy_since, busy, now)
        self._calm_since = _since(self._calm_since, calm, now)
        lasted_busy = self._busy_since is not None and now - self._busy_since >= DOWN_AFTER_S
        lasted_calm = self._calm_since is not None and now - self._calm_since >= self._up_after_s
        if self._step and (lasted_busy or self._n_late >= LATE_FRAMES):
            self._move(-1)
            self._up_after_s = min(2 * self._up_after_s, UP_AFTER_MAX_S)
        elif self._step < len(PRESETS) - 1 and lasted_calm:
            self._move(1)
        return self.preset

    def _move(self, by: int) -> None:
        self._step += by
        self._calm_since = self._busy_since = None
        self._n_late = 0


def _since(since: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if since is None else since


class IdleCpu:
    """The idle share of this machine's CPUs since the last reading, from Linux' ``/proc/stat``."""

    def __init__(self, stat: Path = STAT, clock: Callable[[], float] = time.monotonic) -> None:
        self._stat = stat
        self._clock = clock
        self._read_at: float | None = None
        self._idle = self._total = self._own_s = 0.0
        self._share: float | None = None

    def share(self) -> float | None:
        """In [0, 1]; ``None`` before the second reading and where it cannot be read.

        The smaller of the machine's idle share and what this process leaves of the CPUs that it
        may use counts: a container may see a large machine and own little of it.
        """
        now = self._clock()
        if self._read_at is not None and now - self._read_at < IDLE_READ_INTERVAL_S:
            return self._share
        try:
            fields = self._stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        except OSError:
            return None
        # Kernel documentation, proc_stat: user nice system idle iowait irq softirq steal.
        ticks = [float(field) for field in fields]
        idle, total, own_s = ticks[3] + ticks[4], sum(ticks), time.process_time()
        if self._read_at is not None and total > self._total:
            machine = (idle - self._idle) / (total - self._total)
            own = (own_s - self._own_s) / (now - self._read_at) / _usable_cpus()
            self._share = max(0.0, min(machine, 1 - own))
        self._read_at, self._idle, self._total, self._own_s = now, idle, total, own_s
        return self._share


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
