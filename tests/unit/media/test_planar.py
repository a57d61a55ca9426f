from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from lightmill.media.colour import Colour, colour_of
from lightmill.media.planar import frames_from_packed, pack, plane_views, reference, row_bytes
from tests.unit.media.colours import planes_of, yuv_frame


@pytest.mark.parametrize("size", [(16, 16), (48, 70), (33, 47)])
def test_packing_leaves_padding_out_and_frames_come_back_equal(size):
    made = [yuv_frame(*size) for _ in range(3)]
    packed = pack([frame for frame, _ in made], pin=False)
    assert packed.shape == (3, row_bytes(*size))
    for views, (_, planes) in zip(zip(*plane_views(packed, *size), strict=True), made, strict=True):
        for view, plane in zip(views, planes, strict=True):
            assert np.array_equal(view.numpy(), plane)
    colour = Colour("bt709", full_range=True)
    for frame, (_, planes) in zip(frames_from_packed(packed, *size, colour), made, strict=True):
        assert (frame.height, frame.width) == (size[0] & ~1, size[1] & ~1)
        assert colour_of(frame) == colour
        for seen, plane in zip(planes_of(frame), planes, strict=True):
            assert np.array_equal(seen, plane[: seen.shape[0], : seen.shape[1]])


def test_frames_keep_the_memory_that_they_share():
    packed = torch.full((2, row_bytes(16, 16)), 7, dtype=torch.uint8)
    first, second = frames_from_packed(packed, 16, 16, Colour())
    del packed, second
    junk = [torch.zeros(2, row_bytes(16, 16), dtype=torch.uint8) for _ in range(50)]
    assert all((plane == 7).all() for plane in planes_of(first)) and junk


@pytest.mark.parametrize("size", [(48, 70), (33, 47)])
def test_a_reference_shares_pixels_but_no_stamp(size):
    frame, planes = yuv_frame(*size, format="yuvj420p", space=1)
    frame.pts, frame.time_base, frame.pict_type = 5, Fraction(1, 9), 3
    twin = reference(frame)
    assert (twin.height, twin.width) == (size[0] & ~1, size[1] & ~1)
    assert twin.format.name == "yuv420p" and colour_of(twin) == Colour("bt709", full_range=True)
    twin.pts, twin.time_base, twin.pict_type = 8, Fraction(1, 3), 1
    assert (frame.pts, frame.time_base, frame.pict_type) == (5, Fraction(1, 9), 3)
    assert [plane.buffer_ptr for plane in twin.planes] == [
        plane.buffer_ptr for plane in frame.planes
    ]
    del frame
    for seen, plane in zip(planes_of(twin), planes, strict=True):
        assert np.array_equal(seen, plane[: seen.shape[0], : seen.shape[1]])
