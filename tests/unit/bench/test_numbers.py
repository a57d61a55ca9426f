from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.bench.numbers import N_BLOCKS, STRIP_PART, draw_number, read_number


def picture(width: int = 640, height: int = 480) -> np.ndarray:
    return np.random.default_rng(3).integers(16, 235, (height, width), np.uint8)


@given(st.integers(0, 65535), st.sampled_from([(1280, 720), (640, 480), (960, 540), (320, 240)]))
def test_every_number_comes_back(number, size):
    luma = picture(*size)
    draw_number(luma, number)
    assert read_number(luma) == number


def test_a_smaller_noisy_picture_is_still_read():
    luma = picture(1280, 720)
    draw_number(luma, 54321)
    small = luma[::2, ::2].astype(np.int16)
    small = small // 2 + 60 + np.random.default_rng(1).integers(-15, 16, small.shape)
    assert read_number(small.astype(np.uint8)) == 54321


@pytest.mark.parametrize("luma", [picture(), np.full((480, 640), 16, np.uint8)])
def test_a_picture_without_a_number_has_none(luma):
    assert read_number(luma) is None


def test_a_grey_block_is_unreadable():
    luma = picture()
    draw_number(luma, 12345)
    block = 640 / N_BLOCKS
    luma[: 480 // STRIP_PART, int(9 * block) : int(10 * block)] = 125
    assert read_number(luma) is None


@given(st.integers(0, 65535), st.integers(2, N_BLOCKS - 1))
def test_one_turned_block_is_noticed(number, block):
    luma = picture()
    draw_number(luma, number)
    left, right = round(block * 640 / N_BLOCKS), round((block + 1) * 640 / N_BLOCKS)
    strip = luma[: 480 // STRIP_PART, left:right]
    strip[:] = 251 - strip
    assert read_number(luma) is None


def test_halves_of_two_pictures_are_noticed():
    first, second = picture(), picture()
    draw_number(first, 1000)
    draw_number(second, 1500)
    first[:, 320:] = second[:, 320:]
    assert read_number(first) is None
