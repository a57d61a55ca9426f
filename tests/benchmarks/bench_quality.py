"""What each encoder setting makes of the same bits: PSNR, SSIM and CPU at equal rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import av
import numpy as np
import torch
import torch.nn.functional as F
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from clips import camera_like, noisy

from lightmill.media import codecs
from lightmill.media.encode import VideoEncoder

FRAMES, SETTLED = 120, 30
"""Frames of a run, and those at its start that do not count."""
SETTINGS = ((640, 480, 1_000_000), (1280, 720, 2_500_000))
RATES_BPS = (300_000, 1_000_000, 2_500_000, 6_000_000)

Encode = Callable[[av.VideoFrame, int], Iterable[bytes]]


def luma(frame: av.VideoFrame) -> torch.Tensor:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return torch.from_numpy(rows[:, : plane.width].astype(np.float32))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / ((a - b) ** 2).mean()))


def ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean SSIM over 8x8 windows, every fourth pixel (Wang et al. 2004, K1 0.01, K2 0.03)."""
    a, b = a[None, None], b[None, None]

    def mean(x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, 8, 4)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 6.5025) * (2 * both + 58.5225)
    bottom = (mean_a**2 + mean_b**2 + 6.5025) * (var_a + var_b + 58.5225)
    return float((top / bottom).mean())


def row(name: str, encode: Encode, codec: str, frames: list[av.VideoFrame], target: int) -> None:
    decoder = av.CodecContext.create("h264" if codec == "H264" else "vp8", "r")
    decoder.thread_count = 1
    scores, bits, cpu_s, seen = [], 0, 0.0, 0
    for index, frame in enumerate(frames):
        started = time.process_time()
        made = list(encode(frame, index))
        cpu_s += time.process_time() - started
        bits += sum(len(data) for data in made) * 8 * (index >= SETTLED)
        for data in made:
            for picture in decoder.decode(av.Packet(data)):
                if seen >= SETTLED:
                    pair = luma(frames[seen]), luma(picture)
                    scores.append((psnr(*pair), ssim(*pair)))
                seen += 1
    quality = np.mean(scores, axis=0)
    share = bits / (len(frames) - SETTLED) * 30 / target
    print(
        f"| {name} | {share:.2f} | {quality[0]:.2f} | {quality[1]:.4f} "
        f"| {cpu_s / len(frames) * 1000:.1f} |",
        flush=True,
    )


def ours(encoder: VideoEncoder) -> Encode:
    return lambda frame, index: [
        packet.data for packet in encoder.encode(frame, keyframe=False, pts_90k=index * 3000)
    ]


def _stamp(frame: av.VideoFrame, index: int) -> None:
    """Undo what the encoder before left on the frame: PyAV turns its stamps into the codec's."""
    frame.pts, frame.time_base, frame.pict_type = index * 3000, codecs.TIME_BASE, 0


def context(opened: av.CodecContext) -> Encode:
    def encode(frame: av.VideoFrame, index: int) -> list[bytes]:
        _stamp(frame, index)
        return [bytes(packet) for packet in opened.encode(frame)]

    return encode


def aiortcs(codec: str, target: int) -> Encode:
    """The encoder of aiortc, before it cuts its pictures into RTP payloads."""
    encoder = H264Encoder() if codec == "H264" else Vp8Encoder()
    encoder.target_bitrate = target

    def encode(frame: av.VideoFrame, index: int) -> list[bytes]:
        _stamp(frame, index)
        if codec == "H264":
            units = list(encoder._encode_frame(frame, False))
            return [b"".join(b"\x00\x00\x00\x01" + unit for unit in units)] if units else []
        payloads, _ = encoder.encode(frame)
        return [b"".join(payload[4:] if payload[0] & 0x80 else payload[1:] for payload in payloads)]

    return encode


def compare(width: int, height: int, target: int) -> None:
    frames = camera_like(width, height, FRAMES)
    opening = codecs.Opening(width, height, target, 30)
    print(f"\n{width}x{height}, {target / 1e6:g} Mbit/s, camera-like clip, {FRAMES} frames\n")
    print("| encoder | rate / target | PSNR dB | SSIM | CPU ms a frame |\n|---|---|---|---|---|")
    row("aiortc H.264", aiortcs("H264", target), "H264", frames, target)
    for preset in ("ultrafast", "superfast", "veryfast"):
        encoder = VideoEncoder("H264", target, h264_encoder="libx264", h264_preset=preset)
        row(f"ours, H.264 {preset}", ours(encoder), "H264", frames, target)
    row("aiortc VP8 (at most 1.5 Mbit/s)", aiortcs("VP8", target), "VP8", frames, target)
    row("ours, VP8 (cpu-used -12)", ours(VideoEncoder("VP8", target)), "VP8", frames, target)
    for effort in (-4, -8):
        encode = context(codecs.open_vp8(opening, effort))
        row(f"VP8, cpu-used {effort}", encode, "VP8", frames, target)


def rates() -> None:
    """How well the rate is kept, and how large keyframes are, in average frames."""
    print("\n1280x720 at 30 fps, 8 s, measured after 2 s; keyframes asked for after 5 s\n")
    print("| clip, codec, target Mbit/s | rate / target | keyframes | largest other | frames |")
    print("|---|---|---|---|---|")
    for name, make in (("noisy", noisy), ("camera-like", camera_like)):
        clip = make(1280, 720, 60)
        clip += clip[::-1]
        for codec in ("H264", "VP8"):
            for target in RATES_BPS:
                encoder = VideoEncoder(codec, target, h264_preset="ultrafast")
                sizes = []
                for index in range(240):
                    packets = encoder.encode(
                        clip[index % 120], keyframe=index in (150, 200), pts_90k=index * 3000
                    )
                    sizes.append(sum(len(packet.data) for packet in packets) / (target / 240))
                keys = sizes[0], sizes[150], sizes[200]
                rest = max(s for i, s in enumerate(sizes) if i not in (0, 150, 200))
                print(
                    f"| {name}, {codec}, {target / 1e6:g} | {sum(sizes[60:]) / 180:.2f} | "
                    f"{' / '.join(f'{key:.1f}' for key in keys)} | {rest:.1f} "
                    f"| {sum(size > 0 for size in sizes)} |",
                    flush=True,
                )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for setting in SETTINGS:
        compare(*setting)
    rates()
