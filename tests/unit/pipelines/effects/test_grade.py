from pathlib import Path

import numpy as np
import pytest

from lightmill.errors import InvalidSettings
from lightmill.pipelines.effects.grade import LOOKS, GradeConfig
from tests.unit.pipelines.effects.seeing import Show, distance, flat, show, texture
from tests.unit.pipelines.effects.test_cube import cube_text, identity

NEUTRAL = {"look": "none"}
EXAMPLE = Path(__file__).parents[4] / "docs/pipelines/dusk.cube"


def graded(level, **settings):
    return show("grade", flat((level,) * 3), **{**NEUTRAL, **settings})[0][8, 8].tolist()


def test_neutral_settings_leave_the_picture_as_it_is():
    assert np.array_equal(show("grade", texture(), **NEUTRAL)[0], texture())


def test_lift_moves_black_and_leaves_white():
    assert graded(0, lift=0.2) == [51] * 3 and graded(255, lift=0.2) == [255] * 3


def test_gain_moves_white_and_leaves_black():
    assert graded(255, gain=0.5) == [128] * 3 and graded(0, gain=0.5) == [0] * 3


def test_gamma_brightens_the_middle_alone():
    assert graded(0, gamma=2) == [0] * 3 and graded(255, gamma=2) == [255] * 3
    assert graded(64, gamma=2) == [128] * 3


def test_warmth_is_red_and_cold_is_blue():
    warm, cold = graded(128, warmth=1), graded(128, warmth=-1)
    assert warm[0] > 128 > warm[2] and cold[0] < 128 < cold[2]


def test_saturation():
    red = flat((200, 60, 60))
    (gray,) = show("grade", red, saturation=0, **NEUTRAL)
    assert np.ptp(gray[8, 8]) <= 1
    (vivid,) = show("grade", red, saturation=1.3, **NEUTRAL)
    assert np.ptp(vivid[8, 8]) > 140


@pytest.mark.parametrize("look", [name for name in LOOKS if name != "none"])
def test_each_look_is_seen_and_strength_mixes_it_in(look):
    whole, half, none = (
        show("grade", texture(), look=look, strength=strength)[0] for strength in (1, 0.5, 0)
    )
    assert distance(whole, texture()) > 4
    assert distance(half, (whole.astype(int) + texture()) // 2) < 1
    assert np.array_equal(none, texture())


@pytest.mark.parametrize("size", [2, 5, 17, 33])
def test_an_identity_table_changes_nothing(size):
    made = show("grade", texture(), cube=cube_text(identity, size), **NEUTRAL)[0]
    assert np.abs(made.astype(int) - texture()).max() <= (5 if size == 2 else 1)
    ends = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert (
        np.abs(
            show("grade", ends, cube=cube_text(identity, size), **NEUTRAL)[0].astype(int) - ends
        ).max()
        <= 1
    )


def test_a_table_acts_on_the_right_channels():
    text = cube_text(lambda r, g, b: (g, b, r), 9)
    (made,) = show("grade", texture(), cube=text, **NEUTRAL)
    assert np.abs(made.astype(int) - texture()[..., [1, 2, 0]]).max() <= 2


def test_between_points_a_table_is_linear():
    text = cube_text(lambda r, g, b: (r * g * b, (r + g) / 2, abs(r - b)), 3)
    picture = texture()
    red, green, blue = np.moveaxis(picture / 255, -1, 0)

    def trilinear(value):
        at = [np.minimum((c * 2).astype(int), 1) for c in (red, green, blue)]
        share = [c * 2 - a for c, a in zip((red, green, blue), at, strict=True)]
        total = 0
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(
                [s if c else 1 - s for s, c in zip(share, corner, strict=True)], axis=0
            )
            total = total + weight * value(*((a + c) / 2 for a, c in zip(at, corner, strict=True)))
        return total * 255

    (made,) = show("grade", picture, cube=text, **NEUTRAL)
    expected = np.stack(
        [
            trilinear(lambda r, g, b: r * g * b),
            trilinear(lambda r, g, b: (r + g) / 2),
            trilinear(lambda r, g, b: abs(r - b)),
        ],
        axis=-1,
    )
    assert np.abs(made - expected).max() <= 4  # of 1/32 steps over 128 levels


def test_a_one_dimensional_table():
    made = show("grade", texture(), cube="LUT_1D_SIZE 2\n1 1 1\n0 0 0\n", **NEUTRAL)[0]
    assert np.array_equal(made, 255 - texture())


def test_the_table_changes_while_live():
    effect = Show("grade", **NEUTRAL)
    picture = texture()
    assert np.array_equal(effect(picture)[0], picture)
    inverse = GradeConfig.validate_settings("video", {"cube": "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n"})
    assert np.array_equal(effect(picture, cube=inverse["cube"])[0], 255 - picture)
    assert np.array_equal(effect(picture, cube="")[0], picture)


def test_settings_in_force_are_short_and_validate_again():
    values = GradeConfig.validate_settings("video", {"cube": cube_text(identity, 33)})
    assert len(values["cube"]) < 24_000
    assert GradeConfig.validate_settings("video", values) == values


def test_a_wrong_table_is_refused_with_its_field_and_line():
    with pytest.raises(InvalidSettings) as refused:
        GradeConfig.validate_settings("video", {"cube": "LUT_1D_SIZE 2\n0 0 0\n1 1\n"})
    (field,) = refused.value.fields
    assert field.field == "cube" and "line 3" in field.message


def test_the_example_in_the_documentation_is_a_table():
    (made,) = show("grade", texture(), cube=EXAMPLE.read_text(), **NEUTRAL)
    assert distance(made, texture()) > 5
