"""Video files made for a test: numbered pictures, and a tone."""

from __future__ import annotations

import fractions
from pathlib import Path

import av
import numpy as np

from tests.integration.peers import numbered_picture


def write_clip(
    path: Path,
    n_frames: int,
    fps: int = 30,
    *,
    size: tuple[int, int] = (320, 240),
    pixels: str = "yuv420p",
    sound: str | None = None,
) -> Path:
    """``n_frames`` pictures that carry their number, with a 440 Hz tone of the same length."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        video.width, video.height = size
        video.pix_fmt = pixels
        video.time_base = fractions.Fraction(1, fps)
        audio = container.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        n_samples = 0
        for number in range(n_frames):
            picture = numbered_picture(number, size[0] & ~1, size[1] & ~1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(*size, pixels)
            frame.pts, frame.time_base = number, fractions.Fraction(1, fps)
            container.mux(video.encode(frame))
            while audio is not None and n_samples < (number + 1) / fps * 48_000:
                times = (n_samples + np.arange(960)) / 48_000
                tone = 0.3 * np.sin(2 * np.pi * 440 * times).astype(np.float32)
                piece = av.AudioFrame.from_ndarray(np.stack([tone, tone]), "fltp", "stereo")
                piece.sample_rate, piece.pts = 48_000, n_samples
                piece.time_base = fractions.Fraction(1, 48_000)
                container.mux(audio.encode(piece))
                n_samples += 960
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path
