from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from lightmill.media.colour import Colour, colour_of, packed_from_rgb, rgb_from_yuv
from lightmill.media.planar import plane_views
from tests.unit.media.colours import RANDOM, doubled, reference_rgb, reference_yuv

every = pytest.mark.parametrize(
    "colour", [Colour(matrix, full) for matrix in ("bt601", "bt709") for full in (False, True)]
)


def batch(*planes):
    return [torch.from_numpy(plane)[None] for plane in planes]


@every
@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_yuv_to_rgb_is_within_a_rounding_of_the_equations(colour, size):
    height, width = size
    half = ((height + 1) // 2, (width + 1) // 2)
    y = RANDOM.integers(0, 256, size, dtype=np.uint8)
    u, v = (RANDOM.integers(0, 256, half, dtype=np.uint8) for _ in range(2))
    rgb = rgb_from_yuv(*batch(y, u, v), colour)
    assert rgb.shape == (1, *size, 3) and rgb.dtype == torch.uint8
    wide = [doubled(plane, *size) for plane in (u, v)]
    expected = reference_rgb(y, *wide, colour.matrix, colour.full_range)
    assert np.abs(rgb[0].numpy() - expected).max() <= 0.51


@every
def test_rgb_to_yuv_is_within_a_rounding_of_the_equations(colour):
    rgb = RANDOM.integers(0, 256, (2, 34, 50, 3), dtype=np.uint8)
    packed = packed_from_rgb(torch.from_numpy(rgb), colour)
    y, u, v = (view.numpy() for view in plane_views(packed, 34, 50))
    blocks = rgb.reshape(2, 17, 2, 25, 2, 3).mean((2, 4))
    for index in range(2):
        expected_y, _, _ = reference_yuv(rgb[index], colour.matrix, colour.full_range)
        _, expected_u, expected_v = reference_yuv(blocks[index], colour.matrix, colour.full_range)
        assert np.abs(y[index] - expected_y).max() <= 0.51
        assert np.abs(u[index] - expected_u.clip(0, 255)).max() <= 0.51
        assert np.abs(v[index] - expected_v.clip(0, 255)).max() <= 0.51


@every
def test_there_and_back_changes_little(colour):
    rgb = RANDOM.integers(0, 256, (1, 20, 30, 3), dtype=np.uint8).repeat(2, 1).repeat(2, 2)
    planes = plane_views(packed_from_rgb(torch.from_numpy(rgb), colour), 40, 60)
    back = rgb_from_yuv(*planes, colour).numpy()
    # Half a code of luma and of each chroma, in the widest equation: blue.
    assert np.abs(back.astype(int) - rgb).max() <= (2 if colour.full_range else 3)


def test_what_no_tag_says_is_bt601_limited():
    frame = av.VideoFrame(1280, 720, "yuv420p")
    assert colour_of(frame) == Colour("bt601", full_range=False)
    assert colour_of(av.VideoFrame(64, 64, "yuvj420p")).full_range
    for space, matrix in ((1, "bt709"), (5, "bt601"), (6, "bt601"), (9, "bt709")):
        frame.colorspace = space
        assert colour_of(frame).matrix == matrix
    for colour in (Colour(), Colour("bt709", full_range=True)):
        colour.tag(frame)
        assert colour_of(frame) == colour
