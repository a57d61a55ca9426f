import numpy as np
import pytest

from tests.unit.pipelines.effects.seeing import Show, distance, show, texture


def inner(picture):
    """Without the edge, where a mirrored pixel may lie outside."""
    return picture[8:-8, 8:-8]


def test_the_picture_is_its_own_mirror_image():
    (made,) = show("kaleidoscope", texture(200, 200), mirrors=4)
    assert distance(inner(made), inner(made)[::-1]) < 2
    assert distance(inner(made), inner(made)[:, ::-1]) < 2
    assert distance(inner(made), inner(made).transpose(1, 0, 2)) < 2


def test_six_mirrors_repeat_after_sixty_degrees():
    import cv2

    (made,) = show("kaleidoscope", texture(201, 201), mirrors=6)
    turn = cv2.getRotationMatrix2D((100, 100), 60, 1)
    turned = cv2.warpAffine(made, turn, (201, 201))
    assert distance(made[50:150, 50:150], turned[50:150, 50:150]) < 6
    half = cv2.warpAffine(made, cv2.getRotationMatrix2D((100, 100), 37, 1), (201, 201))
    assert distance(made[50:150, 50:150], half[50:150, 50:150]) > 15


def test_it_spins_unless_told_not_to():
    picture = texture(120, 160)
    first, second = Show("kaleidoscope", spin=3)(picture, picture)
    assert distance(first, second) > 5
    first, second = Show("kaleidoscope", spin=0)(picture, picture)
    assert np.array_equal(first, second)


def test_spin_is_even_when_the_size_changes():
    small, large = texture(60, 80), texture(120, 160)
    effect = Show("kaleidoscope", spin=5)
    effect(small, small)
    (made,) = effect(large)
    expected = Show("kaleidoscope", spin=5)
    expected(large, large)
    assert np.array_equal(made, expected(large)[0])


@pytest.mark.parametrize("centre", [(0, 0), (1, 1), (0.2, 0.9)])
def test_no_part_of_the_picture_is_empty(centre):
    white = np.full((120, 160, 3), 255, np.uint8)
    settings = {"centre_x": centre[0], "centre_y": centre[1], "zoom": 0.3}
    (made,) = show("kaleidoscope", white, **settings)
    assert made.min() == 255


def test_zoom_enlarges():
    steps = [
        np.abs(np.diff(made[..., 1].astype(int), axis=1)).mean()
        for made in (show("kaleidoscope", texture(), zoom=zoom)[0] for zoom in (1, 4))
    ]
    assert steps[1] < steps[0] / 2  # the same spots, four times as wide
