import numpy as np
import pytest
import torch

from lightmill.pipelines.effects.chroma_key import key_tables
from lightmill.planes import YuvPlanes
from tests.unit.pipelines.effects.seeing import CONVERTER, Show, flat, seen, show

GREEN, RED = (0, 177, 64), (190, 40, 50)


def person(wall=GREEN, body=RED):
    picture = flat(wall, 128, 128)
    picture[32:, 32:96] = body
    return picture


def close(picture, colour, within=8):
    return np.abs(picture.reshape(-1, 3).astype(int) - colour).max() <= within


def test_the_wall_goes_and_the_person_stays():
    (made,) = show("chroma-key", person(), background="colour", background_colour="#204080")
    assert close(made[:24], (0x20, 0x40, 0x80)) and close(made[48:, 44:84], RED)


def test_black_is_black_and_the_matte_shows_the_mask():
    (made,) = show("chroma-key", person(), background="black")
    assert made[:24].max() <= 2
    (matte,) = show("chroma-key", person(), background="matte")
    assert matte[:24].max() <= 2 and matte[48:, 44:84].min() >= 253


def test_checker_and_gradient():
    (made,) = show("chroma-key", person(), background="checker")
    assert close(made[4:12, 4:12], (102,) * 3) and close(made[4:12, 20:28], (153,) * 3)
    (made,) = show("chroma-key", person(), background="gradient", background_colour="#808080")
    assert made[2, 4, 1] > made[120, 4, 1] + 60


def test_a_shaded_wall_goes_too():
    shaded = (np.array(GREEN) * np.linspace(0.7, 1.2, 128)[:, None]).clip(0, 255)
    picture = np.repeat(shaded[None].astype(np.uint8), 128, axis=0)
    (matte,) = show("chroma-key", picture, background="matte")
    assert matte.max() < 40


@pytest.mark.parametrize(
    "colour", [(128, 128, 128), (255, 255, 255), (0, 0, 0), (224, 172, 140), (30, 30, 60)]
)
def test_gray_white_black_skin_and_a_dark_suit_stay(colour):
    (matte,) = show("chroma-key", flat(colour), background="matte")
    assert matte.min() > 240


def test_a_blue_wall():
    blue = (20, 60, 200)
    (made,) = show("chroma-key", person(wall=blue), key_colour="#143cc8", background="black")
    assert made[:24].max() <= 2 and close(made[48:, 44:84], RED)


def test_tolerance_widens_what_goes():
    olive = flat((90, 150, 70))
    strict, lax = (
        show("chroma-key", olive, background="matte", tolerance=tolerance)[0].mean()
        for tolerance in (0.05, 0.4)
    )
    assert strict > 200 and lax < 20


def test_softness_leaves_half_transparent_edges():
    ramp = np.linspace(GREEN, RED, 128).astype(np.uint8)[None].repeat(64, axis=0)
    hard, soft = (
        show("chroma-key", ramp, background="matte", softness=softness)[0][32, :, 1]
        for softness in (0, 0.5)
    )
    between = [((row > 20) & (row < 235)).sum() for row in (hard, soft)]
    assert between[0] < 16 < between[1]


def test_spill_takes_green_out_of_what_stays_and_leaves_red_alone():
    greenish = flat((150, 180, 150))
    kept, cleaned = (
        show("chroma-key", greenish, background="black", tolerance=0.05, softness=0, spill=spill)[0]
        for spill in (0, 1)
    )
    excess = [int(made[8, 8, 1]) - int(made[8, 8, 0]) for made in (kept, cleaned)]
    assert excess[0] >= 25 and excess[1] <= 6
    assert close(show("chroma-key", flat(RED), spill=1.0)[0], RED)


def test_settings_change_while_live():
    effect = Show("chroma-key", background="black")
    assert effect(person())[0][:24].max() <= 2
    assert close(effect(person(), key_colour="#ff00ff")[0][:24], GREEN)
    assert effect(person(), key_colour="#00b140", background="matte")[0][:24].max() <= 2


def test_the_key_is_the_same_colour_in_bt709_full_range():
    rgb = torch.from_numpy(person())
    (limited,) = CONVERTER.to_planes(CONVERTER.to_frames([rgb]))
    other = YuvPlanes(*bt709_full(person()), "bt709", True)
    one, two = (seen(Show("chroma-key", background="black").raw([p]))[0] for p in (limited, other))
    assert two[:24].max() <= 3 and np.abs(one[60, 60].astype(int) - two[60, 60]).max() <= 6


def bt709_full(picture):
    red, green, blue = np.moveaxis(picture / 255, -1, 0)
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    planes = (
        y * 255,
        ((blue - y) / 1.8556 * 255 + 128)[::2, ::2],
        ((red - y) / 1.5748 * 255 + 128)[::2, ::2],
    )
    return [torch.from_numpy(np.round(p).clip(0, 255).astype(np.uint8)) for p in planes]


def test_a_gray_key_has_no_direction_and_takes_no_spill():
    alpha, u, v = key_tables((128, 128), 0.1, 0.1, 1.0)
    assert alpha[128, 128] == 0 and alpha[0, 0] == 255
    assert u[30, 200] == 30 and v[30, 200] == 200
