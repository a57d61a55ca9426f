"""Lightmill over bad networks: server and client in namespaces of their own (root, Linux).

loss: 5 % random loss both ways at 40 ms round trip; bars: 25 fps, no freeze above 700 ms.
drop: the way to the viewer falls from 4 Mbit/s to 300 kbit/s for a minute and comes back; bars:
no freeze above 1 s in that minute, 80 % of the old rate 15 s after it.

``python tests/benchmarks/bench_network.py --only drop --seconds 20``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.netem import Impairment, NetworkPath
from tests.benchmarks.servers import lightmill_command

TOKEN = "benchmark"
PORT = 8080
SETTLE_S = 10
"""How long the low rate may take to arrive at the encoder before the steady part counts."""
PARTS = ("loss", "drop")


@contextmanager
def server_inside(path: NetworkPath) -> Iterator[str]:
    """A Lightmill server on side a; gives its URL."""
    flags = ("--host", path.ADDRESS_A, "--port", str(PORT), "--token", TOKEN)
    command = lightmill_command(*flags, "--log-level", "warning")
    process = subprocess.Popen(path.inside("a", command), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if "ready" not in process.stdout.readline():
            raise RuntimeError("the server did not start")
        yield f"http://{path.ADDRESS_A}:{PORT}/offer"
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


def start_client(path: NetworkPath, url: str, seconds: float, result: Path, size: str):
    """The load generator on side b."""
    command = [*lightmill_command()[:1], "bench", url, "--token", TOKEN, "--size", size]
    command += ["--seconds", str(seconds), "--no-floor", "--json", str(result)]
    return subprocess.Popen(path.inside("b", command), stdout=subprocess.DEVNULL)


def finished(client: subprocess.Popen[bytes], result: Path) -> dict[str, Any]:
    if client.wait() != 0:
        raise RuntimeError("the load generator failed")
    return json.loads(result.read_text())


def bench_loss(seconds: float, size: str, result: Path, queue_kbytes: float) -> dict[str, Any]:
    with (
        NetworkPath(Impairment(delay_ms=20, loss_percent=5, queue_kbytes=queue_kbytes)) as path,
        server_inside(path) as url,
    ):
        run = finished(start_client(path, url, seconds, result, size), result)
        network = path.report()
    viewer = run["viewers"][0]
    return {
        "fps": viewer["fps"],
        "longest_gap_ms": viewer["freezes"]["longest_gap_ms"],
        "freezes": viewer["freezes"]["count"],
        "latency_ms": viewer["latency_ms"],
        "packets_lost": viewer["packets_lost"],
        "packets_repaired": viewer["packets_repaired"],
        "network": network,
        "holds": viewer["fps"] >= 25 and viewer["freezes"]["longest_gap_ms"] <= 700,
    }


def bench_drop(seconds: float, size: str, result: Path, queue_kbytes: float) -> dict[str, Any]:
    """``seconds`` at 300 kbit/s, after and before half as long at 4 Mbit/s."""
    part = max(15.0, seconds / 2)
    with (
        NetworkPath(Impairment(delay_ms=20, rate_kbps=4000, queue_kbytes=queue_kbytes)) as path,
        server_inside(path) as url,
    ):
        total = part + seconds + max(20.0, part)
        client = start_client(path, url, total, result, size)
        time.sleep(part + 8)  # connecting, the clip and the warm-up take some seconds
        low_at = time.monotonic()
        path.set(rate_kbps=300, direction="a_to_b")
        time.sleep(seconds)
        back_at = time.monotonic()
        path.set(rate_kbps=4000, direction="a_to_b")
        run = finished(client, result)
        network = path.report()
    viewer = run["viewers"][0]
    low, back = low_at - run["window_start"], back_at - run["window_start"]
    return {"low_at_s": round(low, 1), "back_at_s": round(back, 1), "network": network} | judge(
        viewer, low, back
    )


def judge(viewer: dict[str, Any], low: float, back: float) -> dict[str, Any]:
    """What the viewer saw before, during and after the low rate; times in seconds."""
    gaps = [(at, ms) for at, ms in viewer["freezes"]["gaps"] if low <= at < back]
    series = viewer["bytes_by_time"]
    before = rate(series, low - 8, low)
    regained = [
        at - back for at, _ in series if at > back + 2 and rate(series, at - 2, at) >= 0.8 * before
    ]
    regained_s = round(regained[0], 1) if regained else None
    longest_ms = max((ms for _, ms in gaps), default=0)
    return {
        "rate_before_bps": round(before),
        "rate_low_bps": round(rate(series, low + SETTLE_S, back)),
        "freezes_low": gaps,
        "longest_freeze_low_ms": longest_ms,
        "rate_regained_after_s": regained_s,
        "holds": longest_ms <= 1000 and regained_s is not None and regained_s <= 15,
    }


def rate(series: list[tuple[float, int]], start: float, end: float) -> float:
    """Bits per second between two times of the window."""
    inside = [(at, n_bytes) for at, n_bytes in series if start <= at <= end]
    if len(inside) < 2:
        return 0.0
    (first_at, first), (last_at, last) = inside[0], inside[-1]
    return (last - first) * 8 / (last_at - first_at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--queue-kbytes", type=float, default=64, help="of the bottleneck")
    parser.add_argument("--json", type=Path, default=Path("bench_network.json"))
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        for name in arguments.only:
            part = {"loss": bench_loss, "drop": bench_drop}[name]
            found[name] = part(arguments.seconds, arguments.size, result, arguments.queue_kbytes)
            print(name, json.dumps(found[name], indent=2), flush=True)
    arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
