"""Planes to small RGB pictures, and RGB pictures to planes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightmill.media.colour import Colour
from lightmill.media.colour import rgb_from_yuv as reference
from lightmill.pipelines.neural import planar

EVERY = [(matrix, full) for matrix in ("bt601", "bt709") for full in (False, True)]


@pytest.mark.parametrize(("matrix", "full_range"), EVERY)
def test_small_rgb_is_what_the_server_shows(matrix, full_range):
    rng = np.random.default_rng(2)
    blocks = rng.integers(40, 200, (3, 6, 8)).astype(np.uint8)
    u, v = (plane.repeat(2, 0).repeat(2, 1) for plane in blocks[1:])
    y = blocks[0].repeat(4, 0).repeat(4, 1)
    to_rgb = planar.rgb_from_yuv(matrix, full_range)
    small = planar.small_rgb((y, u, v), 8, 6, to_rgb)
    tensors = (torch.from_numpy(plane)[None] for plane in (y, u, v))
    shown = reference(*tensors, Colour(matrix, full_range))[0, ::4, ::4].numpy()
    assert np.abs(small * 255 - shown).max() < 1.5


@pytest.mark.parametrize(("matrix", "full_range"), EVERY)
def test_colours_come_back_from_planes(matrix, full_range):
    rgb = np.random.default_rng(3).integers(30, 220, (8, 8, 3)).astype(np.uint8)
    rgb = rgb.repeat(2, 0).repeat(2, 1)
    y, u, v = planar.planes_of(rgb, planar.yuv_from_rgb(matrix, full_range))
    assert y.shape == (16, 16) and u.shape == v.shape == (8, 8)
    tensors = (torch.from_numpy(plane)[None] for plane in (y, u, v))
    back = reference(*tensors, Colour(matrix, full_range))[0].numpy().astype(int)
    assert np.abs(back - rgb).max() <= 4


def test_odd_sizes_round_chroma_up():
    y, u, v = planar.planes_of(np.zeros((5, 7, 3), np.uint8), planar.yuv_from_rgb("bt601", False))
    assert y.shape == (5, 7) and u.shape == v.shape == (3, 4)


@pytest.mark.parametrize("size", [(64, 48), (7, 200), (200, 7), (1, 1)])
def test_covering_fills_any_size(size):
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    assert planar.covering(picture, *size).shape == (size[1], size[0], 3)


def test_covering_keeps_the_middle_and_the_proportions():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    assert (planar.covering(picture, 50, 50) == 255).all()
