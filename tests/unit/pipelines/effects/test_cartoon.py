import numpy as np

from lightmill.pipelines.effects.cartoon import tone_table
from tests.unit.pipelines.effects.seeing import flat, show, texture


def test_few_tones_are_left():
    ramp = np.repeat(np.linspace(0, 255, 320).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    (made,) = show("cartoon", ramp, tones=4, outlines=0)
    counts = np.bincount(made[32, :, 1], minlength=256)
    assert (counts > 20).sum() == 4


def test_an_edge_gets_a_dark_outline_on_its_dark_side():
    picture = flat((120, 120, 120), 240, 320)
    picture[:, 160:] = 250
    (made,) = show("cartoon", picture, tones=32)
    (plain,) = show("cartoon", picture, tones=32, outlines=0)
    column = int(made[120, :, 1].argmin())
    assert 152 <= column <= 160 and made[120, column, 1] < 60
    assert plain[120, column, 1] > 100
    assert np.array_equal(made[120, :140], plain[120, :140])


def test_noise_is_smoothed_and_gets_no_outlines():
    generator = np.random.default_rng(2)
    noisy = (128 + generator.normal(0, 4, (240, 320, 3))).clip(0, 255).astype(np.uint8)
    (made,) = show("cartoon", noisy, tones=32, saturation=1)
    assert made.std() < noisy.std() / 2 and made.min() > 100


def test_detail_draws_more():
    dark = [
        (show("cartoon", texture(), fine_lines=detail)[0].max(axis=2) < 40).mean()
        for detail in (0, 1)
    ]
    assert dark[1] > dark[0]


def test_saturation():
    pink = flat((200, 150, 160))
    spans = [
        int(np.ptp(show("cartoon", pink, saturation=s, tones=32)[0][32, 32])) for s in (0, 1, 2)
    ]
    assert spans[0] <= 2 and spans[0] < spans[1] < spans[2]


def test_the_ends_of_the_tones_stay_black_and_white():
    for tones in (2, 7, 32):
        table = tone_table(tones)
        assert (table[0], table[255]) == (0, 255) and (np.diff(table.astype(int)) >= 0).all()
