"""What each pipeline costs for a frame of 640x480, on one thread: median of its calls' times.

CPU is the whole process', so that threads that a pipeline starts count. The frames are those of a
real clip with a man in it; in text mode there are none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.registry import PipelineEntry, registry
from tests.artifact_files import fetch
from tests.real_clips import carphone, planes_of, rgb_of

WIDTH, HEIGHT = 640, 480
WARM_UP_CHUNKS, CHUNKS = 5, 40
CPU = torch.device("cpu")


def inputs(accepts: str, count: int, start: int) -> list[object]:
    frames = carphone(WIDTH, HEIGHT)
    chosen = [frames[(start + index) % len(frames)] for index in range(count)]
    if accepts == "native":
        return list(chosen)
    return [planes_of(frame) if accepts == "yuv420p" else rgb_of(frame) for frame in chosen]


def measure(pipeline: type[Pipeline], mode: str) -> tuple[float, float, float]:
    """Milliseconds of CPU, of this thread and of wall time a frame."""
    config = pipeline.get_config_class()
    asked = {"height": HEIGHT, "width": WIDTH} if mode == "text" else {}
    settings = config.validate_settings(mode, asked)
    components = pipeline.load_components(config(), CPU, fetch(config.artifacts))
    session = pipeline(device=CPU, components=components, **settings)
    costs: list[tuple[float, float, float]] = []
    try:
        for chunk in range(WARM_UP_CHUNKS + CHUNKS):
            video = {"video": True} if mode == "video" else {}
            needs = session.prepare(**settings, **video)
            n_frames = needs.input_size if needs else 1
            if needs:
                video["video"] = inputs(pipeline.accepts, n_frames, chunk * n_frames)
            before = (time.process_time(), time.thread_time(), time.perf_counter())
            with torch.inference_mode():
                session(**settings, **video, init_cache=chunk == 0)
            after = (time.process_time(), time.thread_time(), time.perf_counter())
            costs.append(
                tuple((b - a) * 1000 / n_frames for a, b in zip(before, after, strict=True))
            )
    finally:
        session.close()
    return tuple(statistics.median(column) for column in zip(*costs[WARM_UP_CHUNKS:], strict=True))


def chosen(ids: list[str]) -> list[PipelineEntry]:
    entries = registry().entries()
    return [entry for entry in entries if not ids or entry.config.pipeline_id in ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipelines", nargs="*", help="ids; without any, all that can run here")
    torch.set_num_threads(1)
    print(
        f"ms a frame of {WIDTH}x{HEIGHT}, median of {CHUNKS} chunks (process CPU, thread CPU, wall)"
    )
    for entry in chosen(parser.parse_args().pipelines):
        if not entry.available:
            print(f"{entry.config.pipeline_id:16} {entry.reason}")
            continue
        cpu, thread, wall = measure(entry.pipeline, entry.config.default_mode())
        print(f"{entry.config.pipeline_id:16} {cpu:7.2f} {thread:7.2f} {wall:7.2f}")


if __name__ == "__main__":
    main()
