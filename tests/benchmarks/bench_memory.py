"""Memory of a server whose pipeline is slower than its camera, sampled through the run.

``python tests/benchmarks/bench_memory.py --minutes 30``; the bar: under 5 % growth after minute 3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from lightmill.bench.measure import measure
from lightmill.bench.options import BenchOptions, Kind
from lightmill.bench.server_load import LoadMeter

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.servers import free_port, running

MIB = 1 << 20
SETTLED_MIN = 3


async def sample(pid: int, every_s: float, found: list[tuple[float, float]]) -> None:
    """Append (minute, MiB) until cancelled."""
    meter, start = LoadMeter(pid), monotonic()
    while True:
        found.append((round((monotonic() - start) / 60, 2), round(meter.sample() / MIB, 1)))
        print(f"  minute {found[-1][0]:g}: {found[-1][1]:g} MiB", flush=True)
        await asyncio.sleep(every_s)


async def run(base: str, pid: int, minutes: float, every_s: float) -> dict[str, Any]:
    found: list[tuple[float, float]] = []
    options = BenchOptions(
        url=f"{base}/offer",
        kind=Kind.OFFER,
        seconds=minutes * 60,
        width=640,
        height=480,
        server_pid=pid,
    )
    sampling = asyncio.create_task(sample(pid, every_s, found))
    try:
        result = await measure(options, floor=False)
    finally:
        sampling.cancel()
    settled = [mib for minute, mib in found if minute >= min(SETTLED_MIN, minutes / 2)]
    growth = (max(settled) - settled[0]) / settled[0] * 100
    return {
        "mib_by_minute": found,
        "growth_percent": round(growth, 2),
        "fps": result.fps,
        "latency_ms": result.to_json()["latency_ms"],
        "holds": growth < 5,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=60, help="seconds between samples")
    parser.add_argument("--json", type=Path, default=Path("bench_memory.json"))
    arguments = parser.parse_args()
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py")), str(port)]
    with running("slow", command, f"http://127.0.0.1:{port}") as server:
        found = asyncio.run(run(server.base, server.pid, arguments.minutes, arguments.every))
    print(json.dumps(found, indent=2))
    arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
