from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter

from lightmill.errors import MediaError
from lightmill.media.colour import Colour, colour_of
from lightmill.media.pixels import FrameConverter, split_output
from lightmill.planes import YuvPlanes
from tests.unit.media.colours import (
    RANDOM,
    doubled,
    planes_of,
    reference_rgb,
    reference_yuv,
    yuv_frame,
)

CPU = torch.device("cpu")
TAGS = [
    (2, 0, "bt601", False),
    (6, 1, "bt601", False),
    (5, 2, "bt601", True),
    (1, 1, "bt709", False),
    (1, 2, "bt709", True),
]
SWSCALE_ERROR, TORCH_ERROR = 3.5, 0.51
"""swscale's fast path works in few bits."""


class RemoteConverter(FrameConverter):
    """Goes the way of a GPU, on the CPU: everything but pinning and streams is the same code."""

    def __init__(self) -> None:
        super().__init__(CPU)
        self._remote = True

    def _run_to_frames(self, kind, run):
        if isinstance(run[0], torch.Tensor):
            return self._frames_by_torch(run)
        return super()._run_to_frames(kind, run)


ways = pytest.mark.parametrize(
    ("make", "error"),
    [(lambda: FrameConverter(CPU), SWSCALE_ERROR), (RemoteConverter, TORCH_ERROR)],
    ids=["swscale", "torch"],
)


@ways
@pytest.mark.parametrize(("space", "range_", "matrix", "full"), TAGS)
@pytest.mark.parametrize("size", [(48, 64), (50, 70)])
def test_rgb_honours_the_tags_and_skips_padding(make, error, space, range_, matrix, full, size):
    frame, (y, u, v) = yuv_frame(*size, space=space, range=range_)
    (rgb,) = make().to_rgb([frame])
    assert rgb.shape == (1, *size, 3) and rgb.dtype == torch.uint8 and rgb.is_contiguous()
    expected = reference_rgb(y, doubled(u, *size), doubled(v, *size), matrix, full)
    assert np.abs(rgb[0].numpy() - expected).max() <= error
    assert (frame.colorspace, frame.color_range) == (space, range_)


@ways
def test_full_range_formats_need_no_tag(make, error):
    frame, (y, u, v) = yuv_frame(48, 64, format="yuvj420p")
    expected = reference_rgb(y, doubled(u, 48, 64), doubled(v, 48, 64), "bt601", True)
    (rgb,) = make().to_rgb([frame])
    assert np.abs(rgb[0].numpy() - expected).max() <= error


@ways
@pytest.mark.parametrize("format", ["nv12", "yuv444p", "yuv422p", "rgb24", "yuv420p10le", "gray"])
@pytest.mark.parametrize("size", [(48, 64), (49, 65)])
def test_other_formats_and_odd_sizes_come_out_right(make, error, format, size):
    ramp = np.linspace(40, 210, size[0] * size[1]).reshape(size).astype(np.uint8)
    picture = np.repeat(ramp[..., None], 3, 2)
    source = av.VideoFrame.from_ndarray(picture, format="rgb24")
    # With several threads swscale writes past odd rows into those of the next thread.
    frame = VideoReformatter().reformat(source, format=format, threads=1)
    (rgb,) = make().to_rgb([frame])
    assert rgb.shape == (1, *size, 3)
    # Making the source, swscale reads a pixel past odd rows: its last column's chroma is chance.
    even = np.s_[:, : size[1] & ~1]
    assert np.abs(rgb[0].numpy().astype(int) - picture)[even].max() <= 5


@ways
@pytest.mark.parametrize("size", [(48, 64), (50, 70)])
def test_rgb_becomes_tagged_bt601_and_comes_back(make, error, size):
    height, width = size
    picture = RANDOM.integers(0, 256, (height // 2, width // 2, 3), dtype=np.uint8)
    picture = picture.repeat(2, 0).repeat(2, 1)
    converter = make()
    (frame,) = converter.to_frames([torch.from_numpy(picture)])
    assert (frame.format.name, frame.height, frame.width) == ("yuv420p", *size)
    assert colour_of(frame) == Colour() and (frame.colorspace, frame.color_range) == (6, 1)
    expected = reference_yuv(picture, "bt601", full_range=False)
    steps = (1, 2, 2)
    for seen, plane, step in zip(planes_of(frame), expected, steps, strict=True):
        assert np.abs(seen - plane[::step, ::step]).max() <= 1.01
    (back,) = converter.to_rgb([frame])
    assert np.abs(back[0].numpy().astype(int) - picture).max() <= 6


@ways
def test_a_chunk_keeps_its_order_when_sizes_and_tags_change_in_it(make, error):
    made = [
        yuv_frame(48, 64),
        yuv_frame(48, 64),
        yuv_frame(32, 64),
        yuv_frame(32, 64, space=1),
        yuv_frame(48, 64),
    ]
    pictures = make().to_rgb([frame for frame, _ in made])
    assert len(pictures) == 5
    for rgb, (frame, (y, u, v)) in zip(pictures, made, strict=True):
        matrix, size = ("bt709" if frame.colorspace == 1 else "bt601"), y.shape
        expected = reference_rgb(y, doubled(u, *size), doubled(v, *size), matrix, False)
        assert np.abs(rgb[0].numpy() - expected).max() <= error


@ways
def test_what_a_pipeline_writes_reaches_no_decoded_frame(make, error):
    frame, planes = yuv_frame(48, 64)
    converter = make()
    converter.to_rgb([frame])[0].zero_()
    (given,) = converter.to_planes([frame])
    for plane in (given.y, given.u, given.v):
        plane.zero_()
    for seen, plane in zip(planes_of(frame), planes, strict=True):
        assert np.array_equal(seen, plane)
    kept = torch.full((48, 64, 3), 90, dtype=torch.uint8)
    (made,) = converter.to_frames([kept])
    before = [plane.copy() for plane in planes_of(made)]
    kept.zero_()
    for seen, plane in zip(planes_of(made), before, strict=True):
        assert np.array_equal(seen, plane)


@ways
@pytest.mark.parametrize("size", [(48, 64), (49, 65)])
def test_planes_go_in_and_out_unchanged(make, error, size):
    made = [yuv_frame(*size, space=1, range=2) for _ in range(3)]
    converter = make()
    given = converter.to_planes([frame for frame, _ in made])
    assert all((item.matrix, item.full_range) == ("bt709", True) for item in given)
    frames = converter.to_frames(split_output({"video": given}["video"]))
    for frame, (_, planes) in zip(frames, made, strict=True):
        assert colour_of(frame) == Colour("bt709", full_range=True)
        for seen, plane in zip(planes_of(frame), planes, strict=True):
            assert np.array_equal(seen, plane[: seen.shape[0], : seen.shape[1]])


@ways
def test_kinds_may_be_mixed_and_odd_rgb_is_cropped(make, error):
    native, _ = yuv_frame(32, 32)
    planes = YuvPlanes(
        *(torch.full(size, 99, dtype=torch.uint8) for size in ((8, 8), (4, 4), (4, 4)))
    )
    video = [torch.zeros(2, 33, 35, 3), native, planes, torch.ones(16, 16, 3)]
    frames = make().to_frames(split_output(video))
    assert frames[2] is native
    sizes = [(frame.height, frame.width) for frame in frames]
    assert sizes == [(32, 34), (32, 34), (32, 32), (8, 8), (16, 16)]
    assert (planes_of(frames[3])[0] == 99).all() and (planes_of(frames[4])[0] == 235).all()


def test_floats_are_clamped_and_wrong_results_named():
    video = torch.tensor([-1.0, 0.5, 2.0, float("nan")]).view(1, 2, 2, 1).expand(1, 2, 2, 3)
    (picture,) = split_output(video)
    assert picture[..., 0].tolist() == [[0, 128], [255, 0]]
    for wrong in ("text", torch.zeros(3, 3), torch.zeros(1, 4, 4, 3, dtype=torch.int32), None):
        with pytest.raises(MediaError, match="a pipeline returned"):
            split_output(wrong)


def test_planes_that_do_not_fit_are_refused():
    y, u = torch.zeros(8, 8, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="v has shape"):
        YuvPlanes(y, u, y)
    with pytest.raises(ValueError, match="uint8"):
        YuvPlanes(y.float(), u, u)
    with pytest.raises(ValueError, match="H, W"):
        YuvPlanes(y[None], u, u)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_what_the_cpu_gives():
    frames = [yuv_frame(48, 64, space=1)[0] for _ in range(4)]
    cuda, near = FrameConverter(torch.device("cuda")), RemoteConverter()
    far = cuda.to_rgb(frames)
    for a, b in zip(far, near.to_rgb(frames), strict=True):
        assert (a.cpu().int() - b.int()).abs().max() <= 1
    for frame, other in zip(
        cuda.to_frames(far), near.to_frames([a.cpu() for a in far]), strict=True
    ):
        for a, b in zip(planes_of(frame), planes_of(other), strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1


def test_pictures_of_every_form_become_rgb_and_planes():
    converter = FrameConverter(torch.device("cpu"))
    rgb = torch.full((32, 64, 3), 100, dtype=torch.uint8)
    (frame,) = converter.to_frames([rgb])
    (planes,) = converter.to_planes([frame])
    as_rgb = converter.as_rgb([rgb, planes, frame, rgb])
    assert [tuple(picture.shape) for picture in as_rgb] == [(1, 32, 64, 3)] * 4
    assert all((picture.int() - 100).abs().max() <= 2 for picture in as_rgb)
    assert as_rgb[0].data_ptr() == rgb.data_ptr()
    as_planes = converter.as_planes([planes, rgb, frame])
    assert as_planes[0] is planes
    assert all((one.y.int() - planes.y.int()).abs().max() <= 1 for one in as_planes)


def test_owned_output_shares_no_memory_with_what_was_returned():
    video = torch.zeros((2, 4, 4, 3), dtype=torch.uint8)
    gray = torch.zeros((1, 4, 4, 1), dtype=torch.uint8).expand(1, 4, 4, 3)
    planes = YuvPlanes(*(torch.zeros(size, dtype=torch.uint8) for size in [(4, 4), (2, 2), (2, 2)]))
    made = split_output([video, gray, planes], own=True)
    video += 9
    planes.y.add_(9)
    made[2].add_(1)
    assert made[0].max() == 0 and made[2].is_contiguous() and gray.max() == 0
    assert made[3].y.max() == 0
    assert split_output(video)[0].data_ptr() == video.data_ptr()


def test_planes_of_another_device_are_brought_over():
    """torch's ``meta`` stands for a GPU: it computes nothing, but knows where a tensor is."""
    u = torch.zeros(2, 2, dtype=torch.uint8)
    here = YuvPlanes(torch.zeros(4, 4, dtype=torch.uint8), u, u)
    (there,) = FrameConverter(torch.device("meta")).as_planes([here])
    assert {plane.device.type for plane in (there.y, there.u, there.v)} == {"meta"}
    (same,) = FrameConverter(torch.device("cpu")).as_planes([here])
    assert same is here
