import numpy as np
import pytest

from lightmill.pipelines.effects.pixelate import blocks, lamp
from tests.unit.pipelines.effects.seeing import distance, show, texture


def test_each_block_has_one_colour_and_it_is_the_mean():
    picture = texture(64, 96)
    (made,) = show("pixelate", picture, pixel_size=16)
    cells = made.reshape(4, 16, 6, 16, 3)
    assert (np.ptp(cells, axis=(1, 3)) <= 1).all()
    means = picture.reshape(4, 16, 6, 16, 3).mean(axis=(1, 3))
    # What 8 bits of Y, U and V and their limits leave of a mean.
    assert np.abs(cells[:, 8, :, 8].astype(float) - means).max() < 12


def test_larger_blocks_hide_more():
    picture = texture(128, 128)
    small, large = (show("pixelate", picture, pixel_size=block)[0] for block in (4, 32))
    assert distance(small, picture) < distance(large, picture)


def test_lamps_are_round_on_black():
    (made,) = show("pixelate", np.full((64, 64, 3), 200, np.uint8), pixel_size=16, style="lamps")
    assert abs(int(made[8, 8, 1]) - 200) <= 2
    corners = made[np.ix_([0, 15, 16, 31], [0, 15, 16, 31])]
    assert corners.max() <= 2


def test_few_shades_leave_few_levels():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    (made,) = show("pixelate", ramp, pixel_size=2, shades=4)
    assert len(np.unique(made[..., 1])) == 4


def test_an_incomplete_block_is_the_mean_of_what_is_there():
    plane = np.full((5, 5), 100, np.uint8)
    plane[4] = 200
    assert blocks(plane, 4).tolist() == [[100, 100], [200, 200]]


@pytest.mark.parametrize("size", [4, 8, 64])
def test_a_lamp_is_bright_in_the_middle_and_dark_in_the_corner(size):
    mask = lamp(size)
    assert mask[size // 2, size // 2] == 1 and mask[0, 0] < 0.25
