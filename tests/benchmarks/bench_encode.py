"""CPU per frame of our encoders and pipelines beside aiortc's encoders, in one process and run."""

from __future__ import annotations

import time

import torch
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from clips import noisy

from lightmill.media.encode import VideoEncoder
from lightmill.media.pixels import FrameConverter
from lightmill.pipelines.registry import build_registry

FRAMES = 60
ROUNDS = 3


def cpu_ms(work) -> float:
    """Median over rounds of the process' CPU milliseconds per frame."""
    samples = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        samples.append((time.process_time() - start) / FRAMES * 1000)
    return sorted(samples)[ROUNDS // 2]


def main() -> None:
    for width, height, bitrate in ((640, 480, 1_000_000), (1280, 720, 2_500_000)):
        frames = noisy(width, height, FRAMES)
        print(f"{width}x{height}, {bitrate / 1e6:g} Mbit/s, CPU ms per frame, median of {ROUNDS}")
        for codec, theirs in (("H264", H264Encoder), ("VP8", Vp8Encoder)):
            other, ours = theirs(), VideoEncoder(codec, bitrate, h264_preset="ultrafast")
            other.target_bitrate = bitrate
            stock = cpu_ms(lambda: [other.encode(frame) for frame in frames])  # noqa: B023
            own = cpu_ms(
                lambda: [
                    ours.encode(frame, keyframe=False, pts_90k=ours_pts(ours))  # noqa: B023
                    for frame in frames  # noqa: B023
                ]
            )
            print(f"  {codec}: aiortc {stock:.1f}, ours {own:.1f}, ratio {stock / own:.1f}")
        pictures = FrameConverter(torch.device("cpu")).to_rgb(frames)
        for entry in build_registry().entries():
            bench_pipeline(entry, pictures)


PTS: dict[int, int] = {}


def ours_pts(encoder: VideoEncoder) -> int:
    PTS[id(encoder)] = PTS.get(id(encoder), 0) + 3000
    return PTS[id(encoder)]


def bench_pipeline(entry, pictures) -> None:
    mode = entry.config.default_mode()
    if mode != "video" or entry.pipeline.accepts != "rgb":
        return
    values = entry.config.validate_settings(mode, {})
    pipeline = entry.pipeline(device=torch.device("cpu"), components=None, **values)
    size = pipeline.prepare(**values, video=True).input_size
    chunks = [pictures[i : i + size] for i in range(0, FRAMES, size)]
    cost = cpu_ms(lambda: [pipeline(**values, video=chunk, init_cache=False) for chunk in chunks])
    print(f"  {entry.config.pipeline_id}: {cost:.1f}")


if __name__ == "__main__":
    main()
