"""What frames cost between the decoder, a tensor and the encoder: swscale beside torch."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from av.video.reformatter import Interpolation, VideoReformatter
from clips import camera_like

from lightmill.media.colour import Colour, packed_from_rgb, rgb_from_yuv
from lightmill.media.pixels import FrameConverter
from lightmill.media.planar import frames_from_packed, pack, plane_views, reference
from lightmill.media.scale import Scaler

ROUNDS, CALLS = 7, 12


def cost(work: Callable[[], object]) -> str:
    """Median over rounds of wall and CPU milliseconds a call."""
    work()
    wall, cpu = [], []
    for _ in range(ROUNDS):
        at, used = time.perf_counter(), time.process_time()
        for _ in range(CALLS):
            work()
        wall.append((time.perf_counter() - at) / CALLS * 1000)
        cpu.append((time.process_time() - used) / CALLS * 1000)
    return f"{sorted(wall)[ROUNDS // 2]:.2f} / {sorted(cpu)[ROUNDS // 2]:.2f}"


def on_cpu(width: int, height: int) -> dict[str, str]:
    (frame,) = camera_like(width, height, 1)
    ours = FrameConverter(torch.device("cpu"))
    (rgb,) = ours.to_rgb([frame])
    (planes,) = ours.to_planes([frame])
    rows: dict[str, str] = {}
    rows["yuv420p to RGB tensor: ours"] = cost(lambda: ours.to_rgb([frame]))
    rows["RGB tensor to yuv420p: ours"] = cost(lambda: ours.to_frames([rgb[0]]))
    for threads in (1, 2):
        reader, writer = VideoReformatter(), VideoReformatter()
        picture = reader.reformat(frame, format="rgb24")
        rows[f"swscale to rgb24, {threads} threads"] = cost(
            lambda: reader.reformat(frame, format="rgb24", threads=threads)  # noqa: B023
        )
        rows[f"swscale from rgb24, area, {threads} threads"] = cost(
            lambda: writer.reformat(  # noqa: B023
                picture,  # noqa: B023
                format="yuv420p",
                interpolation=Interpolation.AREA,
                threads=threads,  # noqa: B023
            )
        )
        torch.set_num_threads(threads)
        rows[f"torch to RGB, {threads} threads"] = cost(
            lambda: rgb_from_yuv(*plane_views(pack([frame], pin=False), height, width), Colour())
        )
        rows[f"torch from RGB, {threads} threads"] = cost(
            lambda: frames_from_packed(packed_from_rgb(rgb, Colour()), height, width, Colour())
        )
    rows["planes in (a copy)"] = cost(lambda: ours.to_planes([frame]))
    rows["planes out (a copy)"] = cost(lambda: ours.to_frames([planes]))
    rows["reference for a second encoder"] = cost(lambda: reference(frame))
    scaler = Scaler()
    rows["scale to half"] = cost(lambda: scaler.scale(frame, width // 2, height // 2))
    return rows


def on_cuda(width: int, height: int) -> None:
    device = torch.device("cuda")
    converter, frames = FrameConverter(device), camera_like(width, height, 12)

    def both_ways(count: int) -> None:
        converter.to_frames([picture[0] for picture in converter.to_rgb(frames[:count])])

    name = torch.cuda.get_device_name()
    print(f"\n{name}, {width}x{height}, there, RGB and back, wall / CPU ms: one frame ", end="")
    print(f"{cost(lambda: both_ways(1))}, a chunk of 12 {cost(lambda: both_ways(12))}")


def main() -> None:
    small, large = on_cpu(640, 480), on_cpu(1280, 720)
    print("| wall / CPU ms a frame | 640x480 | 1280x720 |\n|---|---|---|")
    for name, value in small.items():
        print(f"| {name} | {value} | {large[name]} |")
    if torch.cuda.is_available():
        on_cuda(1280, 720)


if __name__ == "__main__":
    main()
