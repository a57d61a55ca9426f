"""What a chain costs beside its stages one by one, and whether the slowest stage sets its pace."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from clips import camera_like

sys.path.insert(0, str(Path(__file__).parents[2]))

from lightmill.config import load_config
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.media.threads import CodecThreads
from lightmill.pipelines.registry import build_registry
from lightmill.session.production import Production
from lightmill.session.services import Services
from lightmill.session.udp_mux import UdpMux
from lightmill.session.wish import ChainWish
from tests.integration.chain_pipelines import CHAIN_PIPELINES

WIDTH, HEIGHT, ROUNDS, FRAMES = 640, 480, 5, 60
COMPUTING = [
    ("color", {"contrast": 1.2}),
    ("gray", {}),
    ("edges", {"style": "ink"}),
    ("color", {"saturation": 1.4}),
]
SLEEPING_MS = [20, 40, 60, 30]


class Bench:
    """One production whose output is counted."""

    def __init__(self) -> None:
        config = load_config(environ={}, flags={})
        registry = build_registry()
        for pipeline in CHAIN_PIPELINES:
            registry.register(pipeline)
        self._executors = DeviceExecutors(4)
        services = Services(
            config=config,
            registry=registry,
            executors=self._executors,
            components=ComponentStore(self._executors, ArtifactStore(config.artifacts)),
            codecs=CodecThreads(1),
            device=torch.device("cpu"),
            udp=UdpMux(config.rtc, 0),
        )
        self.out: list[tuple[float, MediaFrame]] = []
        self._codecs = services.codecs
        self._came = asyncio.Event()
        self._playout = Playout(self._show)
        self.production = Production(
            "bench", services, self._playout, lambda: None, lambda *_: None
        )
        self.production.set_demand(True)

    def _show(self, frame: MediaFrame) -> None:
        self.out.append((time.monotonic(), frame))
        self._came.set()

    async def switch(self, stages: list[tuple[str, dict[str, Any]]]) -> None:
        (main, settings), *after = stages
        behind = [{"pipeline": name, "settings": values} for name, values in after]
        await self.production.switch(
            ChainWish.model_validate(
                {"pipeline": main, "settings": settings, "postprocessors": behind}
            )
        )

    async def cpu_ms(self, frames: list[Any]) -> float:
        """CPU time of the whole process a frame, each fed when the one before is out."""
        for warm_up in (True, False):
            used = time.process_time()
            for frame in frames:
                self._came.clear()
                self.production.feed(MediaFrame(frame, time.monotonic()))
                await self._came.wait()
            if not warm_up:
                return (time.process_time() - used) / len(frames) * 1000
        raise AssertionError

    async def pace(self, frame: Any, seconds: float, fps: float = 60) -> tuple[float, float]:
        """Frames a second and the median delay in ms, fed at ``fps``."""
        self.out.clear()
        for _ in range(round(seconds * fps)):
            self.production.feed(MediaFrame(frame, time.monotonic()))
            await asyncio.sleep(1 / fps)
        kept = self.out[len(self.out) // 4 :]
        gaps = [b - a for (a, _), (b, _) in pairwise(kept)]
        delays = sorted(at - frame.arrival for at, frame in kept)
        return len(gaps) / sum(gaps), delays[len(delays) // 2] * 1000

    async def aclose(self) -> None:
        await self.production.aclose()
        self._playout.close()
        await self._executors.aclose()
        self._codecs.close()


async def measure_cost() -> None:
    frames = camera_like(WIDTH, HEIGHT, FRAMES)
    bench = Bench()
    alone: list[list[float]] = [[] for _ in COMPUTING]
    chain: list[float] = []
    ratios: list[float] = []
    for _ in range(ROUNDS):
        for index, stage in enumerate(COMPUTING):
            await bench.switch([stage])
            await bench.production.switch(ChainWish(postprocessors=[]))
            alone[index].append(await bench.cpu_ms(frames))
        await bench.switch(COMPUTING)
        chain.append(await bench.cpu_ms(frames))
        ratios.append(chain[-1] / sum(costs[-1] for costs in alone))
    await bench.production.switch(
        ChainWish.model_validate({"pipeline": "passthrough", "postprocessors": []})
    )
    passthrough = await bench.cpu_ms(frames)
    await bench.aclose()
    middle = ROUNDS // 2
    print(f"| CPU ms a frame, {WIDTH}x{HEIGHT}, median of {ROUNDS} | |\n|---|---|")
    for (name, _), costs in zip(COMPUTING, alone, strict=True):
        print(f"| {name} alone | {sorted(costs)[middle]:.2f} |")
    print(f"| all four in a chain | {sorted(chain)[middle]:.2f} |")
    print(f"| chain / sum (bar: 1.10) | {sorted(ratios)[middle]:.2f} |")
    print(f"| passthrough alone | {passthrough:.3f} |")


async def measure_pace(name: str, sizes: list[int], delays_ms: list[float]) -> None:
    (frame,) = camera_like(WIDTH, HEIGHT, 1)
    bench = Bench()
    await bench.switch(
        [
            ("test-step", {"size": size, "delay_ms": delay_ms * size})
            for size, delay_ms in zip(sizes, delays_ms, strict=True)
        ]
    )
    fps, delay_ms = await bench.pace(frame, 8)
    chain = bench.production.describe()
    await bench.aclose()
    stages = [chain["main"], *chain["postprocessors"]]
    spent_ms = [
        stage["latency_ms"]["inference"]["p50"] / size
        for stage, size in zip(stages, sizes, strict=True)
    ]
    slowest, together = 1000 / max(spent_ms), 1000 / sum(spent_ms)
    print(
        f"| {name} | {fps:.1f} | {slowest:.1f} | {fps / slowest:.2f} | {together:.1f} "
        f"| {delay_ms:.0f} |"
    )


async def main() -> None:
    await measure_cost()
    print("\n| stages that sleep | fps | the slowest's | ratio | of the sum | median delay, ms |")
    print("|---|---|---|---|---|---|")
    await measure_pace("20, 40, 60, 30 ms a frame", [1, 1, 1, 1], SLEEPING_MS)
    await measure_pace("5, 5, 5, 60: the last is slow", [1, 1, 1, 1], [5, 5, 5, 60])
    await measure_pace("four times 50", [1, 1, 1, 1], [50] * 4)
    await measure_pace("chunks of 1, 4, 9, 1", [1, 4, 9, 1], [40, 30, 50, 20])


if __name__ == "__main__":
    asyncio.run(main())
