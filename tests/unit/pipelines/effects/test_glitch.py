import numpy as np

from tests.unit.pipelines.effects.seeing import Show, distance, show, texture

QUIET = {"colour_slip": 0, "scan_lines": 0}


def clip(count=20):
    return [np.roll(texture(144, 192), step, axis=1) for step in range(count)]


def test_the_same_seed_breaks_the_same_frames_in_the_same_way():
    one, same, other = (Show("glitch", seed=seed)(*clip()) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_nothing_is_left_of_the_effect_when_all_is_off():
    effect = Show("glitch", amount=0, **QUIET)
    plain = Show("pixelate", pixel_size=2)  # another way through the planes
    assert distance(effect(clip(1)[0])[0], clip(1)[0]) <= distance(plain(clip(1)[0])[0], clip(1)[0])


def test_rate_says_how_often():
    reference = Show("glitch", amount=0, **QUIET)(*clip(100))

    def broken(rate):
        made = Show("glitch", rate=rate, **QUIET)(*clip(100))
        return sum(distance(a, b) > 1 for a, b in zip(made, reference, strict=True))

    assert broken(0) == 0 and broken(1) == 100 and 20 < broken(0.5) < 80


def test_amount_breaks_more():
    reference = Show("glitch", amount=0, **QUIET)(*clip(40))
    weak, strong = (
        sum(map(distance, Show("glitch", amount=amount, rate=1, **QUIET)(*clip(40)), reference))
        for amount in (0.1, 1)
    )
    assert strong > 2 * weak > 0


def test_torn_lines_keep_their_pixels():
    rows = np.repeat(np.arange(144, dtype=np.uint8)[:, None], 192, axis=1)
    picture = np.repeat(rows[..., None], 3, axis=2)
    made = show("glitch", picture, rate=1, amount=1, **QUIET)[0]
    expected = show("glitch", picture, amount=0, **QUIET)[0]
    assert np.array_equal(made, expected)  # what slips sideways is the same all along a line


def test_colours_slip_but_brightness_does_not():
    picture = np.zeros((96, 192, 3), np.uint8)
    picture[:, 80:112] = (255, 0, 0)
    (made,) = show("glitch", picture, amount=0, scan_lines=0, colour_slip=1)
    brightness = made.astype(float) @ (0.299, 0.587, 0.114)
    assert brightness[48, 80:112].mean() > brightness[48, :60].mean() + 30
    assert np.ptp(made[48, 60:80].astype(int), axis=1).max() > 40  # colour where none was


def test_scan_lines_darken_two_of_four_lines():
    white = np.full((96, 192, 3), 200, np.uint8)
    (made,) = show("glitch", white, amount=0, colour_slip=0, scan_lines=1)
    lines = made[:, 96, 1].reshape(-1, 4).mean(axis=0)
    assert lines[:2].min() > 195 and lines[2:].max() < 90
