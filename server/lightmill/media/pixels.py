"""Between decoded frames and tensors: one conversion each way, none where nobody looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, cast

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from lightmill.errors import MediaError
from lightmill.media.colour import Colour, colour_of, packed_from_rgb, rgb_from_yuv
from lightmill.media.planar import (
    PLANAR_FORMATS,
    frames_from_packed,
    pack,
    plane_views,
    row_bytes,
    rows_of,
)
from lightmill.planes import YuvPlanes

EXPECTED = (
    "return (T, H, W, 3) as float in [0, 1] or uint8, a list of (H, W, 3) pictures, "
    "YuvPlanes, or native frames as they came in"
)
MADE = Colour()
"""What RGB becomes: BT.601 in limited range (see `lightmill.media.colour`)."""
THREADED_PIXELS = 1280 * 720
"""From this size on swscale gets a second thread; below, waking it costs what it saves."""

Picture = torch.Tensor | YuvPlanes | av.VideoFrame


class FrameConverter:
    """One stage's way from frames to tensors on ``device`` and back; one thread at a time.

    On the CPU swscale converts, 8 to 24 times as fast there as torch (measured). On any other device
    the planes of a whole chunk go over in one copy and torch converts them there.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._remote = device.type != "cpu"
        self._pin = device.type == "cuda"
        self._reader = VideoReformatter()
        self._writer = VideoReformatter()
        self._cleaner = VideoReformatter()

    def to_rgb(self, frames: Sequence[av.VideoFrame]) -> list[torch.Tensor]:
        """Convert each frame to ``(1, H, W, 3)`` uint8 RGB; colour tags are honoured."""
        if not self._remote:
            return [self._rgb_by_swscale(frame) for frame in frames]
        pictures: list[torch.Tensor] = []
        for colour, batch in self._uploaded(frames):
            pictures.extend(rgb_from_yuv(*batch, colour).unsqueeze(1))
        return pictures

    def as_rgb(self, pictures: Sequence[Picture]) -> list[torch.Tensor]:
        """Make each ``(1, H, W, 3)`` uint8 RGB on ``device``; tensors that are there just pass."""
        made: list[torch.Tensor] = []
        for kind, run in groupby(pictures, _output_kind):
            some = list(run)
            if kind is None:
                made.extend(self.to_rgb(cast("list[av.VideoFrame]", some)))
            elif isinstance(some[0], YuvPlanes):
                made.extend(self._planes_to_rgb(cast("list[YuvPlanes]", some)))
            else:
                tensors = cast("list[torch.Tensor]", some)
                made.extend(tensor.to(self.device).unsqueeze(0) for tensor in tensors)
        return made

    def as_planes(self, pictures: Sequence[Picture]) -> list[YuvPlanes]:
        """Make each planes on ``device``; planes that are there just pass."""
        made: list[YuvPlanes] = []
        for kind, run in groupby(pictures, _output_kind):
            some = list(run)
            if kind is None:
                made.extend(self.to_planes(cast("list[av.VideoFrame]", some)))
            elif isinstance(some[0], YuvPlanes):
                made.extend(self._moved(planes) for planes in cast("list[YuvPlanes]", some))
            else:
                made.extend(self._rgb_to_planes(cast("list[torch.Tensor]", some)))
        return made

    def _moved(self, planes: YuvPlanes) -> YuvPlanes:
        if not self._remote or planes.y.device == self.device:
            return planes
        y, u, v = (plane.to(self.device) for plane in (planes.y, planes.u, planes.v))
        return replace(planes, y=y, u=u, v=v)

    def _planes_to_rgb(self, run: list[YuvPlanes]) -> list[torch.Tensor]:
        if not self._remote:
            return self.to_rgb(_frames_from_planes(run))
        y, u, v = (
            torch.stack([getattr(planes, name) for planes in run]).to(self.device)
            for name in ("y", "u", "v")
        )
        colour = Colour(run[0].matrix, run[0].full_range)
        return list(rgb_from_yuv(y, u, v, colour).unsqueeze(1))

    def _rgb_to_planes(self, run: list[torch.Tensor]) -> list[YuvPlanes]:
        if not self._remote:
            return self.to_planes(self.to_frames(run))
        height, width = run[0].shape[0] & ~1, run[0].shape[1] & ~1
        rgb = torch.stack([picture[:height, :width] for picture in run]).to(self.device)
        views = plane_views(packed_from_rgb(rgb, MADE), height, width)
        return [
            YuvPlanes(y, u, v, MADE.matrix, MADE.full_range) for y, u, v in zip(*views, strict=True)
        ]

    def to_planes(self, frames: Sequence[av.VideoFrame]) -> list[YuvPlanes]:
        """Hand each frame's planes over as they are, in memory of their own."""
        return [
            YuvPlanes(y, u, v, colour.matrix, colour.full_range)
            for colour, batch in self._uploaded(frames)
            for y, u, v in zip(*batch, strict=True)
        ]

    def _uploaded(
        self, frames: Sequence[av.VideoFrame]
    ) -> list[tuple[Colour, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]]:
        """Bring runs of equal frames over, each run in one copy: (N, H, W), twice (N, H/2, W/2)."""
        planar = [self._yuv420p(frame) for frame in frames]
        runs: list[tuple[Colour, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = []
        for (height, width, colour), run in groupby(planar, _kind):
            packed = pack(list(run), pin=self._pin).to(self.device, non_blocking=True)
            runs.append((colour, plane_views(packed, height, width)))
        return runs

    def _yuv420p(self, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.format.name in PLANAR_FORMATS:
            return frame
        return self._cleaner.reformat(frame, format="yuv420p", threads=_threads(frame))

    def _rgb_by_swscale(self, frame: av.VideoFrame) -> torch.Tensor:
        colour = colour_of(frame)
        space = Colorspace.ITU709 if colour.matrix == "bt709" else Colorspace.ITU601
        rgb = self._reader.reformat(
            frame,
            format="rgb24",
            src_colorspace=space,
            src_color_range=colour.range,
            dst_color_range=ColorRange.JPEG,
            threads=_threads(frame),
        )
        (plane,) = rgb.planes
        rows = torch.from_numpy(rows_of(plane))  # (H, line_size)
        picture = rows[:, : rgb.width * 3].contiguous()  # copies only padded rows
        return picture.view(1, rgb.height, rgb.width, 3)

    def to_frames(self, pictures: Sequence[Picture]) -> list[av.VideoFrame]:
        """Turn what `split_output` gave into frames; native ones pass untouched."""
        frames: list[av.VideoFrame] = []
        for kind, run in groupby(pictures, _output_kind):
            frames.extend(self._run_to_frames(kind, list(run)))
        return frames

    def _run_to_frames(self, kind: object, run: Sequence[Any]) -> list[av.VideoFrame]:
        if kind is None:
            return list(run)
        if isinstance(run[0], YuvPlanes):
            return _frames_from_planes(run)
        if run[0].device.type == "cpu":
            return [self._frame_by_swscale(picture) for picture in run]
        return self._frames_by_torch(run)

    def _frames_by_torch(self, run: Sequence[torch.Tensor]) -> list[av.VideoFrame]:
        """Convert pictures of one size where they are and bring the planes here in one copy."""
        height, width = run[0].shape[0] & ~1, run[0].shape[1] & ~1
        rgb = torch.stack([picture[:height, :width] for picture in run])  # (N, H, W, 3)
        packed = _downloaded(packed_from_rgb(rgb, MADE))
        return frames_from_packed(packed, height, width, MADE)

    def _frame_by_swscale(self, picture: torch.Tensor) -> av.VideoFrame:
        height, width = picture.shape[0] & ~1, picture.shape[1] & ~1
        array = picture[:height, :width].contiguous().numpy()
        # swscale may read past the end of rows that are no multiple of its registers.
        wrap = av.VideoFrame.from_ndarray if width % 32 else av.VideoFrame.from_numpy_buffer
        source = wrap(array, format="rgb24")
        return self._writer.reformat(
            source,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
            threads=_threads(source),
        )


def _kind(frame: av.VideoFrame) -> tuple[int, int, Colour]:
    return frame.height, frame.width, colour_of(frame)


def _output_kind(picture: Picture) -> object:
    """What pictures must have in common to be converted together; ``None`` for native frames."""
    if isinstance(picture, av.VideoFrame):
        return None
    if isinstance(picture, YuvPlanes):
        return picture.y.shape, picture.y.device, picture.matrix, picture.full_range
    return picture.shape, picture.device


def _threads(frame: av.VideoFrame) -> int:
    """Two for large pictures; swscale's threads write past odd rows into each other's."""
    odd = frame.width % 2 or frame.height % 2
    return 2 if not odd and frame.width * frame.height >= THREADED_PIXELS else 1


def _downloaded(packed: torch.Tensor) -> torch.Tensor:
    """Copy to memory of the host that nobody else holds, pinned when that makes it faster."""
    on_cuda = packed.device.type == "cuda"
    host = torch.empty(packed.shape, dtype=torch.uint8, pin_memory=on_cuda)
    host.copy_(packed, non_blocking=on_cuda)
    if on_cuda:
        torch.cuda.current_stream(packed.device).synchronize()
    return host


def _frames_from_planes(run: Sequence[YuvPlanes]) -> list[av.VideoFrame]:
    height, width = run[0].y.shape
    parts = [plane.reshape(-1) for item in run for plane in (item.y, item.u, item.v)]
    packed = torch.cat(parts).view(len(run), row_bytes(height, width))
    host = packed if packed.device.type == "cpu" else _downloaded(packed)
    return frames_from_packed(host, height, width, Colour(run[0].matrix, run[0].full_range))


def split_output(video: object, *, own: bool = False) -> list[Picture]:
    """Split what a pipeline returned into ``(H, W, 3)`` uint8 tensors, planes or native frames.

    Floats are taken as [0, 1], rounded and clamped; NaN becomes 0. With ``own`` no tensor shares
    its memory with what the pipeline may keep; native frames are never written into anyway.

    Raises:
        MediaError: the shape, the dtype or the type is another; the message names it.

    """
    if isinstance(video, YuvPlanes):
        return [_copied(video) if own else video]
    if isinstance(video, av.VideoFrame):
        return [video]
    if isinstance(video, (list, tuple)):
        pictures: list[Picture] = []
        for item in cast("Sequence[object]", video):
            pictures.extend(split_output(item, own=own))
        return pictures
    if isinstance(video, np.ndarray):
        return _split_tensor(torch.from_numpy(np.ascontiguousarray(cast("Any", video))), own)
    if isinstance(video, torch.Tensor):
        return _split_tensor(video, own)
    raise MediaError(f"a pipeline returned {type(video).__name__} as video; {EXPECTED}")


def _copied(planes: YuvPlanes) -> YuvPlanes:
    return replace(planes, y=planes.y.clone(), u=planes.u.clone(), v=planes.v.clone())


def _split_tensor(tensor: torch.Tensor, own: bool) -> list[Picture]:
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4 or tensor.shape[-1] != 3:
        raise MediaError(f"a pipeline returned video of shape {tuple(tensor.shape)}; {EXPECTED}")
    return list(_to_uint8(tensor, own).unbind(0))  # T times (H, W, 3)


def _to_uint8(tensor: torch.Tensor, own: bool) -> torch.Tensor:
    if tensor.dtype == torch.uint8:
        return tensor.clone(memory_format=torch.contiguous_format) if own else tensor
    if not tensor.dtype.is_floating_point:
        raise MediaError(f"a pipeline returned video of dtype {tensor.dtype}; {EXPECTED}")
    return tensor.nan_to_num(0.0).mul(255).round_().clamp_(0, 255).to(torch.uint8)
