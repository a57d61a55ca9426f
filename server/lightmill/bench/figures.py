"""Latencies and delivery times become the figures that a report shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FREEZE_FACTOR, FREEZE_EXTRA_S = 3, 0.150
"""A gap is a freeze from max(3 intervals, interval + 150 ms) on (W3C webrtc-stats, freezeCount)."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; all zero without samples."""

    p50: float
    p95: float
    p99: float
    max: float
    samples: int


@dataclass(frozen=True, slots=True)
class Freezes:
    """Gaps between delivered frames that a viewer sees; ``longest_gap_ms`` counts any gap."""

    count: int
    total_ms: float
    longest_gap_ms: float
    gaps: list[tuple[float, float]]
    """When each freeze began, seconds into the window, and its milliseconds."""


def percentile(values: Sequence[float], p: float) -> float:
    """The nearest-rank percentile for ``p`` in [0, 100]; NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    rank = math.ceil(p / 100 * len(ordered))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def latency(latencies_s: Sequence[float]) -> Latency | None:
    """None when nothing was measured."""
    if not latencies_s:
        return None
    p50, p95, p99 = (round(percentile(latencies_s, p) * 1000, 2) for p in (50, 95, 99))
    return Latency(p50, p95, p99, round(max(latencies_s) * 1000, 2), len(latencies_s))


def freezes(delivered_at: Sequence[float], start: float, end: float, fps: float) -> Freezes:
    """Gaps between the deliveries within [start, end]; silence at either edge counts as well."""
    interval_s = 1 / fps
    threshold_s = max(FREEZE_FACTOR * interval_s, interval_s + FREEZE_EXTRA_S)
    edges = [start, *(at for at in delivered_at if start <= at <= end), end]
    gaps = [(earlier - start, later - earlier) for earlier, later in pairwise(edges)]
    frozen = [(round(at, 3), round(gap * 1000, 1)) for at, gap in gaps if gap >= threshold_s]
    longest_ms = round(max(gap for _, gap in gaps) * 1000, 1)
    return Freezes(len(frozen), round(sum(gap for _, gap in frozen), 1), longest_ms, frozen)
