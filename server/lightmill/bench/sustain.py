"""How many sessions a server sustains: doubled until one falls behind, then halved in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from lightmill.bench.measure import BenchResult, Progress, measure, quiet
from lightmill.bench.options import BenchOptions
from lightmill.errors import BenchError

MOST_SESSIONS = 256
ATTEMPTS = 2

Runner = Callable[[int], Awaitable[BenchResult | None]]


@dataclass(frozen=True, slots=True)
class Sustained:
    """``sessions`` is the most that held; ``best`` their run, None when not even one did."""

    sessions: int
    best: BenchResult | None
    tried: dict[int, float]
    """The slowest viewer's frames a second by number of sessions; 0 where it was refused."""


async def sustain(
    options: BenchOptions, fps_least: float, *, progress: Progress = quiet
) -> Sustained:
    """Fresh peers at every step, since a server that fell behind may still be catching up.

    A step counts as failed when it fails `ATTEMPTS` times: a busy machine spoils single ones.

    Raises:
        BenchError: the very first step failed.

    """
    tried: dict[int, float] = {}

    async def run(sessions: int) -> BenchResult | None:
        for _ in range(ATTEMPTS):
            result = await attempt(sessions)
            if result is not None:
                return result
        return None

    async def attempt(sessions: int) -> BenchResult | None:
        step = replace(options, sessions=sessions)
        try:
            result = await measure(
                step, floor=False, progress=lambda text: progress(f"{sessions} sessions: {text}")
            )
        except BenchError:
            if not tried:
                raise
            tried.setdefault(sessions, 0.0)
            return None
        tried[sessions] = max(result.fps_slowest, tried.get(sessions, 0.0))
        holds = result.fps_slowest >= fps_least and not result.sessions_lost
        return result if holds else None

    sessions, best = await climb(options.sessions, run)
    return Sustained(sessions, best, tried)


async def climb(first: int, run: Runner) -> tuple[int, BenchResult | None]:
    """The largest number for which ``run`` gives a result, and that result."""
    good, best, bad = 0, None, None
    attempt = first
    while attempt <= MOST_SESSIONS and (bad is None or bad - good > 1):
        result = await run(attempt)
        if result is not None:
            good, best = attempt, result
        else:
            bad = attempt
        attempt = good * 2 if bad is None else (good + bad) // 2
    return good, best
