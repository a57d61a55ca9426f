"""Frames' planes in one flat piece of memory: what travels to a device and back in one copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import torch
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from lightmill.media.colour import Colour, colour_of

PLANAR_FORMATS = ("yuv420p", "yuvj420p")
"""The formats that this module takes: 8 bits, 4:2:0, three planes."""


def row_bytes(height: int, width: int) -> int:
    """Bytes of one packed 4:2:0 picture, odd sizes rounded up in chroma."""
    return height * width + 2 * ((height + 1) // 2) * ((width + 1) // 2)


def plane_views(
    packed: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """View ``(N, row_bytes)`` as ``(N, H, W)`` and twice ``(N, H/2, W/2)``; nothing is copied."""
    half = ((height + 1) // 2, (width + 1) // 2)
    luma, chroma = height * width, half[0] * half[1]
    y, u, v = packed[:, :luma], packed[:, luma : luma + chroma], packed[:, luma + chroma :]
    return y.view(-1, height, width), u.view(-1, *half), v.view(-1, *half)


def rows_of(plane: VideoPlane) -> NDArray[np.uint8]:
    """View a plane as ``(height, line_size)``; the padding is at the end of each row."""
    memory: Any = plane  # PyAV's stubs do not declare the buffer protocol
    return np.frombuffer(memory, np.uint8).reshape(plane.height, plane.line_size)


def pack(frames: Sequence[av.VideoFrame], *, pin: bool) -> torch.Tensor:
    """Gather planar 4:2:0 frames of one size, without their padding: ``(N, row_bytes)`` uint8.

    Pinned memory comes from torch's cache, which keeps it until the copies from it are done.
    """
    height, width = frames[0].height, frames[0].width
    shape = (len(frames), row_bytes(height, width))
    packed = torch.empty(shape, dtype=torch.uint8, pin_memory=pin)
    targets = [view.numpy() for view in plane_views(packed, height, width)]
    for index, frame in enumerate(frames):
        for target, plane in zip(targets, frame.planes, strict=True):
            np.copyto(target[index], rows_of(plane)[:, : plane.width])
    return packed


def frames_from_packed(
    packed: torch.Tensor, height: int, width: int, colour: Colour
) -> list[av.VideoFrame]:
    """Make an even-sized frame of each row of ``(N, row_bytes)``; they share and keep the memory."""
    frames: list[av.VideoFrame] = []
    for planes in zip(*plane_views(packed, height, width), strict=True):
        frame = _frame_over(planes, height, width)
        colour.tag(frame)
        frames.append(frame)
    return frames


def reference(frame: av.VideoFrame) -> av.VideoFrame:
    """Make a second frame of the same planar 4:2:0 pixels, even-sized, with stamps of its own.

    Two encoders may thus stamp one picture at the same time. An odd last row or column is left
    out; nothing is copied. Full-range frames keep their numbers and are tagged so.
    """
    twin = _frame_over([rows_of(plane) for plane in frame.planes], frame.height, frame.width)
    twin.colorspace, twin.color_range = frame.colorspace, frame.color_range
    if frame.format.name == "yuvj420p":
        colour_of(frame).tag(twin)
    return twin


def _frame_over(planes: Sequence[Any], height: int, width: int) -> av.VideoFrame:
    """Lay a frame over three arrays or tensors; an odd last row or column is left out."""
    height, width = height & ~1, width & ~1
    cut = tuple(
        plane[: height >> shift, : width >> shift]
        for plane, shift in zip(planes, (0, 1, 1), strict=True)
    )
    return av.VideoFrame.from_dlpack(cut, format="yuv420p", width=width, height=height)
