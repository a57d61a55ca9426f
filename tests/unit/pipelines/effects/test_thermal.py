import numpy as np
import pytest

from lightmill.pipelines.effects.thermal import PALETTES, palette_rgb
from tests.unit.pipelines.effects.seeing import Show, flat, show

RAMP = np.repeat(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)


@pytest.mark.parametrize("palette", list(PALETTES))
def test_dark_is_cold_and_bright_is_hot(palette):
    (made,) = show("thermal", RAMP, palette=palette, softness=0)
    cold, hot = palette_rgb(palette)[[0, -1]]
    assert np.abs(made[32, :4].mean(axis=0) - cold).max() < 12
    assert np.abs(made[32, -4:].mean(axis=0) - hot).max() < 12


def test_the_default_palette_grows_brighter_with_heat():
    (made,) = show("thermal", RAMP)
    brightness = made[32].astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(brightness[::16]) > 0).all()


def test_stretch_spreads_a_dull_picture_over_the_whole_palette():
    dull = (RAMP.astype(int) // 4 + 90).astype(np.uint8)
    stretched, plain = (
        show("thermal", dull, palette="white-hot", softness=0, stretch=stretch)[0]
        for stretch in (1, 0)
    )
    assert np.ptp(stretched[..., 1]) > 240 and np.ptp(plain[..., 1]) < 80


def test_a_flat_picture_is_not_stretched_until_its_noise_shows():
    noisy = flat((100, 100, 100))
    noisy[::2] += 2
    (made,) = show("thermal", noisy, palette="white-hot", softness=0)
    assert np.ptp(made[..., 1]) < 20


def test_the_range_follows_slowly_so_that_nothing_flickers():
    effect = Show("thermal", palette="white-hot", softness=0)
    dim = (RAMP // 2).astype(np.uint8)
    (first,) = effect(dim)
    (second,) = effect(RAMP)  # twice as bright, at once
    for _ in range(60):
        (later,) = effect(RAMP)
    saturated = [(picture[..., 1] >= 250).mean() for picture in (first, second, later)]
    assert saturated[1] > 0.4 and saturated[2] < 0.1


def test_contours_leave_flat_areas():
    (made,) = show("thermal", RAMP, palette="white-hot", softness=0, contours=4)
    assert len(np.unique(made[32, ::4, 1])) == 4


def test_softness_blurs():
    stripes = flat((0, 0, 0), 240, 320)
    stripes[:, ::8] = 255
    sharp, soft = (
        show("thermal", stripes, palette="white-hot", softness=softness)[0] for softness in (0, 12)
    )
    assert sharp[..., 1].std() > 3 * soft[..., 1].std()
