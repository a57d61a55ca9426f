"""One run: open the peers, warm up, measure a window, report."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from time import monotonic
from typing import Any

from lightmill.bench.clip import encode_clip
from lightmill.bench.crowd import BenchSession, Crowd
from lightmill.bench.figures import Freezes, Latency, freezes, latency, percentile
from lightmill.bench.options import BenchOptions, Kind
from lightmill.bench.receiving import VideoTap
from lightmill.bench.sending import PackedClip
from lightmill.bench.server_load import Load, LoadMeter, find_server

TICK_S = 0.5
"""How often memory is sampled and progress is told."""
FLOOR_S = 3
"""Seconds for which the client's own floor is measured."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ViewerFigures:
    """What one viewer saw in the window."""

    session: int
    fps: float
    bitrate_bps: int
    freezes: Freezes
    latency_ms: Latency | None
    """Of probes alone."""
    packets_lost: int
    packets_repaired: int
    frames_given_up: int
    frames_undecodable: int
    unreadable: int
    bytes_by_time: list[tuple[float, int]]
    """Bytes received since the window's beginning, by seconds into it."""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One run. Latencies are of all probes together, from handing over to decoded."""

    options: BenchOptions
    fps: float
    fps_slowest: float
    frames_sent: int
    frames_delivered: int
    sessions_lost: int
    latency_ms: Latency | None
    floor_ms: Latency | None
    viewers: list[ViewerFigures]
    server: Load | None
    client: Load
    window_start: float
    """Monotonic seconds of this machine."""
    late_p95_ms: float
    """How late this client handed its frames over: above a few ms, it is the bottleneck itself."""

    @property
    def server_cpu_per_session(self) -> float | None:
        """CPU seconds of the server for each second of each session."""
        return self.server.cpu / self.options.sessions if self.server else None

    @property
    def server_latency_ms(self) -> float | None:
        """The median that the server and the network add."""
        if self.latency_ms is None or self.floor_ms is None:
            return None
        return round(self.latency_ms.p50 - self.floor_ms.p50, 2)

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        values["options"].pop("token")
        values["server_cpu_per_session"] = self.server_cpu_per_session
        values["server_latency_ms"] = self.server_latency_ms
        return values


def quiet(_: str) -> None:
    """Tell nobody."""


async def measure(
    options: BenchOptions, *, floor: bool = True, progress: Progress = quiet
) -> BenchResult:
    """Run once against ``options.url``; with ``floor``, once without any server before.

    Raises:
        BenchError: the server cannot be reached, refuses, or sends nothing.

    """
    progress("encoding the clip")
    packed = await asyncio.to_thread(_packed_clip, *_clip_arguments(options))
    floor_ms = None
    if floor and options.kind is not Kind.WHEP:
        progress("measuring the client without a server")
        alone = replace(options, kind=Kind.LOOPBACK, seconds=FLOOR_S, warm_up_s=1, probes=1)
        floor_ms = (await _run(alone, packed, quiet)).latency_ms
    result = await _run(options, packed, progress)
    return replace(result, floor_ms=floor_ms)


async def _run(options: BenchOptions, packed: PackedClip, progress: Progress) -> BenchResult:
    client, server = LoadMeter(os.getpid()), _server_meter(options)
    progress(f"connecting {options.sessions} sessions")
    async with Crowd(options, packed) as crowd:
        progress("warming up")
        await asyncio.sleep(options.warm_up_s)
        meters = [meter for meter in (client, server) if meter]
        for meter in meters:
            meter.start()
        window = _Window(crowd, monotonic())
        while (left_s := window.start + options.seconds - monotonic()) > 0:
            progress(f"measuring, {left_s:.0f} s left")
            await asyncio.sleep(min(TICK_S, left_s))
            window.sample()
            for meter in meters:
                meter.sample()
        return window.result(options, server.read() if server else None, client.read())


def _server_meter(options: BenchOptions) -> LoadMeter | None:
    if options.kind is Kind.LOOPBACK:
        return None
    pid = options.server_pid or find_server(options.url)
    return LoadMeter(pid) if pid else None


class _Window:
    """The counts at its beginning, against which the result is taken."""

    def __init__(self, crowd: Crowd, start: float) -> None:
        self.start = start
        self._crowd = crowd
        self._before = {
            id(tap): (replace(tap.collector.counts), tap.received.unreadable)
            for session in crowd.sessions
            for tap in session.taps
        }

        self._bytes: dict[int, list[tuple[float, int]]] = {key: [] for key in self._before}

    def sample(self) -> None:
        """Note what has come so far."""
        elapsed_s = round(monotonic() - self.start, 2)
        for session in self._crowd.sessions:
            for tap in session.taps:
                n_bytes = tap.collector.counts.bytes - self._before[id(tap)][0].bytes
                self._bytes[id(tap)].append((elapsed_s, n_bytes))

    def result(self, options: BenchOptions, server: Load | None, client: Load) -> BenchResult:
        end = monotonic()
        sessions = self._crowd.sessions
        viewers = [
            self._viewer(index, tap, end, options.fps)
            for index, session in enumerate(sessions)
            for tap in session.taps
        ]
        latencies = [
            latency_s
            for session in sessions
            for tap in session.taps
            for at, latency_s in tap.received.latencies
            if self.start <= at <= end
        ]
        sent, late = _publishers(sessions, self.start, end)
        return BenchResult(
            options=options,
            fps=round(sum(one.fps for one in viewers) / len(viewers), 2),
            fps_slowest=min(one.fps for one in viewers),
            frames_sent=sent,
            frames_delivered=round(sum(one.fps for one in viewers) * (end - self.start)),
            sessions_lost=self._crowd.lost(),
            latency_ms=latency(latencies),
            floor_ms=None,
            viewers=viewers,
            server=server,
            client=client,
            window_start=self.start,
            late_p95_ms=round(percentile(late, 95) * 1000, 2) if late else 0.0,
        )

    def _viewer(self, session: int, tap: VideoTap, end: float, fps: float) -> ViewerFigures:
        before, unreadable = self._before[id(tap)]
        counts, got = tap.collector.counts, tap.received
        window_s = end - self.start
        delivered = [at for at in got.delivered_at if self.start <= at <= end]
        seen = [latency_s for at, latency_s in got.latencies if self.start <= at <= end]
        return ViewerFigures(
            session=session,
            fps=round(len(delivered) / window_s, 2),
            bitrate_bps=round((counts.bytes - before.bytes) * 8 / window_s),
            freezes=freezes(delivered, self.start, end, fps),
            latency_ms=latency(seen),
            packets_lost=counts.lost - before.lost,
            packets_repaired=counts.repaired - before.repaired,
            frames_given_up=counts.given_up - before.given_up,
            frames_undecodable=counts.undecodable - before.undecodable,
            unreadable=got.unreadable - unreadable,
            bytes_by_time=self._bytes[id(tap)],
        )


def _publishers(sessions: list[BenchSession], start: float, end: float) -> tuple[int, list[float]]:
    """Frames sent in the window, and how late each was."""
    late: list[float] = []
    for track in (session.track for session in sessions):
        if track is not None:
            times = zip(track.timeline.sent_at, track.lateness_s, strict=False)
            late += [lateness for at, lateness in times if start <= at <= end]
    return len(late), late


def _clip_arguments(options: BenchOptions) -> tuple[str, int, int, float, int, float, float]:
    return (
        options.codec,
        options.width,
        options.height,
        options.fps,
        options.rate_bps,
        options.clip_s,
        options.keyframe_s,
    )


@lru_cache(maxsize=4)
def _packed_clip(
    codec: str, width: int, height: int, fps: float, bitrate_bps: int, clip_s: float, key_s: float
) -> PackedClip:
    """Runs of one process that want the same clip share it."""
    return PackedClip(encode_clip(codec, width, height, fps, bitrate_bps, clip_s, key_s))
