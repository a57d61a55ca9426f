"""Lightmill, aiortc's example server and the codec floor, side by side in interleaved rounds.

``python tests/benchmarks/bench_engine.py --only session viewers --rounds 1 --seconds 5``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import av

from lightmill.bench.clip import Clip, encode_clip, open_encoder
from lightmill.bench.measure import BenchResult, measure
from lightmill.bench.options import BenchOptions, Kind
from lightmill.bench.sustain import sustain

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.servers import aiortc_example, lightmill

FPS = 30
SUSTAINED_FPS = 28.5
PARTS = ("session", "sustain", "viewers")
SIZES = {"720p": (1280, 720, 2_500_000), "480p": (640, 480, 1_000_000)}


MOST_BPS = {"H264": 3_000_000, "VP8": 1_500_000}
"""What aiortc's encoders send at most: both servers are measured at the same rate."""


def options(base: str, size: str, codec: str, seconds: float, **more: Any) -> BenchOptions:
    width, height, bitrate = SIZES[size]
    more = {"kind": Kind.OFFER, "url": f"{base}/offer", **more}
    return BenchOptions(
        width=width,
        height=height,
        bitrate_bps=bitrate,
        room_bps=bitrate,
        codec=codec,
        seconds=seconds,
        fps=FPS,
        **more,
    )


def at_rate(bitrate_bps: int) -> dict[str, str]:
    """Lightmill would fill the loopback; this makes it send what the example and the floor do."""
    settings = {
        "START_BITRATE_BPS": bitrate_bps,
        "MAX_BITRATE_BPS": bitrate_bps,
        "H264_PRESET": "ultrafast",
    }
    named = {f"LIGHTMILL_MEDIA__{name}": str(value) for name, value in settings.items()}
    return named | {"LIGHTMILL_RTC__UDP_PORT": "0"}


def codec_floor(clip: Clip, bitrate_bps: int, *, paced: bool) -> float:
    """CPU seconds a second of video to decode the clip and encode it again in one thread.

    ``paced`` waits for each frame's time, as a server must: then the caches are cold and the
    core has slept, and the same work costs a third more than in one go.
    """
    names = {"H264": "h264", "VP8": "vp8"}
    decoder: Any = av.CodecContext.create(names[clip.codec], "r")
    decoder.thread_count = 1
    size = (clip.width, clip.height)
    encoder = open_encoder(clip.codec, *size, clip.fps, bitrate_bps, preset="ultrafast")
    started, began = time.process_time(), time.monotonic()
    number = 0
    for frame in clip.frames:
        if paced:
            time.sleep(max(0.0, began + number / clip.fps - time.monotonic()))
        for picture in decoder.decode(av.Packet(frame.data)):
            picture.pts, picture.time_base, picture.pict_type = number, encoder.time_base, 0
            encoder.encode(picture)
            number += 1
    return (time.process_time() - started) / (number / clip.fps)


def bench_session(rounds: int, seconds: float) -> dict[str, Any]:
    """One 720p30 session on either server, both codecs, and the floors."""
    found: dict[str, Any] = {}
    for codec, most_bps in MOST_BPS.items():
        bitrate_bps = min(most_bps, SIZES["720p"][2])
        clip = encode_clip(codec, 1280, 720, FPS, bitrate_bps, 6, 2)
        runs: dict[str, list[BenchResult]] = {"lightmill": [], "aiortc example": []}
        floors: dict[str, list[float]] = {"paced": [], "in one go": []}
        for _ in range(rounds):
            for name, samples in floors.items():
                samples.append(codec_floor(clip, bitrate_bps, paced=name == "paced"))
            for start in (partial(lightmill, at_rate(bitrate_bps)), aiortc_example):
                with start() as server:
                    wanted = options(server.base, "720p", codec, seconds, server_pid=server.pid)
                    runs[server.name].append(asyncio.run(measure(wanted)))
        floor = {name: median(samples) for name, samples in floors.items()}
        found[codec] = {"codec_floor_cpu": {name: round(cpu, 4) for name, cpu in floor.items()}}
        for name, results in runs.items():
            cpu = median(r.server_cpu_per_session for r in results)
            found[codec][name] = summary(results) | {
                "cpu_over_paced_floor": round(cpu / floor["paced"], 3),
                "cpu_over_floor_in_one_go": round(cpu / floor["in one go"], 3),
            }
        show(f"720p30 {codec}", found[codec])
    return found


def bench_sustain(rounds: int, seconds: float) -> dict[str, Any]:
    """640x480@30 H.264 sessions that either server sustains with the client on the same cores."""
    runs: dict[str, list[int]] = {"lightmill": [], "aiortc example": []}
    tried: dict[str, Any] = {}
    for _ in range(rounds):
        for start in (aiortc_example, lambda: lightmill(at_rate(SIZES["480p"][2]))):
            with start() as server:
                wanted = options(server.base, "480p", "H264", seconds, server_pid=server.pid)
                result = asyncio.run(sustain(wanted, SUSTAINED_FPS))
                runs[server.name].append(result.sessions)
                tried[server.name] = result.tried
                print(f"  {server.name}: {result.sessions} of {result.tried}", flush=True)
    found = {name: {"sessions": statistics.median(values)} for name, values in runs.items()}
    show("sustained 480p30 H264", found)
    return found | {"last_round": tried}


def bench_viewers(rounds: int, seconds: float) -> dict[str, Any]:
    """One session's server CPU with 1 and with 20 WHEP viewers."""
    runs: dict[int, list[BenchResult]] = {1: [], 20: []}
    for _ in range(rounds):
        for viewers, results in runs.items():
            with lightmill(at_rate(SIZES["480p"][2])) as server:
                wanted = options(
                    server.base,
                    "480p",
                    "H264",
                    seconds,
                    kind=Kind.WHIP_WHEP,
                    url=f"{server.base}/whip/{{session}}",
                    viewers=viewers,
                    server_pid=server.pid,
                )
                results.append(asyncio.run(measure(wanted, floor=False)))
    found: dict[str, Any] = {f"{viewers} viewers": summary(r) for viewers, r in runs.items()}
    one, many = (median(r.server.cpu for r in runs[n] if r.server) for n in (1, 20))
    found["ratio"] = round(many / one, 2)
    show("viewers of one 480p30 H264 session", found)
    return found


def median(values: Any) -> float:
    return statistics.median(list(values))


def summary(results: list[BenchResult]) -> dict[str, float]:
    """Medians over the rounds."""
    measured = [r for r in results if r.latency_ms]
    figures: dict[str, float] = {
        "cpu": round(median(r.server.cpu for r in results if r.server), 4),
        "fps": median(r.fps_slowest for r in results),
        "rss_mib": round(median(r.server.rss_max_bytes for r in results if r.server) / 2**20),
        "late_p95_ms": median(r.late_p95_ms for r in results),
        "received_mbps": round(median(r.viewers[0].bitrate_bps for r in results) / 1e6, 2),
    }
    if measured:
        figures["latency_p50_ms"] = median(r.latency_ms.p50 for r in measured if r.latency_ms)
        figures["latency_p95_ms"] = median(r.latency_ms.p95 for r in measured if r.latency_ms)
    floors = [r.floor_ms.p50 for r in results if r.floor_ms]
    if floors:
        figures["client_floor_ms"] = statistics.median(floors)
        figures["server_only_p50_ms"] = round(figures["latency_p50_ms"] - median(floors), 2)
    return figures


def show(title: str, found: dict[str, Any]) -> None:
    print(title)
    for name, value in found.items():
        text = value
        if isinstance(value, dict):
            text = ", ".join(f"{key} {number:g}" for key, number in value.items())
        print(f"  {name}: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--json", type=Path, default=Path("bench_engine.json"))
    arguments = parser.parse_args()
    parts = {"session": bench_session, "sustain": bench_sustain, "viewers": bench_viewers}
    found = {name: parts[name](arguments.rounds, arguments.seconds) for name in arguments.only}
    arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
