"""A result as a table for people."""

from __future__ import annotations

from rich.table import Table

from lightmill.bench.figures import Latency
from lightmill.bench.measure import BenchResult
from lightmill.bench.sustain import Sustained

MIB = 1 << 20


def result_table(result: BenchResult) -> Table:
    """One row a figure."""
    options = result.options
    table = Table("what", "measured", title=f"{options.url}, {options.kind}")
    size = f"{options.width}x{options.height} at {options.fps:g}"
    table.add_row("sent", f"{options.codec} {size}, {options.rate_bps / 1e6:.2f} Mbit/s")
    table.add_row("sessions", f"{options.sessions}, {options.viewers_of_a_session} viewers each")
    table.add_row("frames a second", f"{result.fps:.1f}, slowest {result.fps_slowest:.1f}")
    rate = sum(one.bitrate_bps for one in result.viewers) / len(result.viewers)
    table.add_row("received, each", f"{rate / 1e6:.2f} Mbit/s")
    table.add_row("latency", _latency(result.latency_ms))
    table.add_row("client's own floor", _latency(result.floor_ms))
    if result.server_latency_ms is not None:
        table.add_row("added by the server", f"p50 {result.server_latency_ms:.1f} ms")
    frozen = sum(one.freezes.count for one in result.viewers)
    longest = max(one.freezes.longest_gap_ms for one in result.viewers)
    table.add_row("freezes", f"{frozen}, longest gap {longest:.0f} ms")
    table.add_row("packets", _sums(result, packets_lost="lost", packets_repaired="repaired"))
    table.add_row(
        "frames lost",
        _sums(
            result,
            frames_given_up="incomplete",
            frames_undecodable="without a keyframe",
            unreadable="unreadable",
        ),
    )
    if result.sessions_lost:
        table.add_row("sessions lost", str(result.sessions_lost), style="red")
    table.add_row("server CPU", _server(result))
    client = f"{result.client.cpu:.2f} cores, frames {result.late_p95_ms:.1f} ms late (p95)"
    table.add_row("this client", client)
    return table


def sustained_table(sustained: Sustained, fps_least: float) -> Table:
    table = Table("sessions", "slowest", title=f"sustained: {sustained.sessions} sessions")
    for sessions, fps in sorted(sustained.tried.items()):
        mark = "" if fps >= fps_least else " (falls behind)"
        table.add_row(str(sessions), f"{fps:.1f} fps{mark}")
    return table


def _latency(value: Latency | None) -> str:
    if value is None:
        return "not measured"
    return f"p50 {value.p50:.1f}, p95 {value.p95:.1f}, p99 {value.p99:.1f} ms"


def _sums(result: BenchResult, **names: str) -> str:
    sums = {text: sum(getattr(one, name) for one in result.viewers) for name, text in names.items()}
    return ", ".join(f"{value} {text}" for text, value in sums.items())


def _server(result: BenchResult) -> str:
    server = result.server
    if server is None:
        return "not measured; give --server-pid"
    each = result.server_cpu_per_session or 0.0
    return f"{server.cpu:.3f} cores, {each:.3f} a session; {server.rss_max_bytes / MIB:.0f} MiB"
