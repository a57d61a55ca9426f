"""Light where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from lightmill.pipelines.neural.low_light import LowLight, SteadyCurves
from tests.real_clips import carphone, rgb_of


def dark(index, gain=0.15):
    return (rgb_of(carphone()[index]).float() * gain).to(torch.uint8)


def detail(picture):
    """How each place differs from its surroundings, without noise and rounding."""
    gray = cv2.GaussianBlur(picture.float().mean(2).numpy(), (0, 0), 3)
    return (gray - cv2.GaussianBlur(gray, (0, 0), 12)).ravel()


def brightness(picture):
    return picture.float().mean().item()


def test_a_dark_picture_becomes_bright_and_stays_the_same_picture(session):
    given = dark(10)
    (made,) = session(LowLight, strength=1.0)(given)
    assert made.shape == (480, 640, 3) and made.dtype == torch.uint8
    assert brightness(made) > 4 * brightness(given)
    ours, true = (detail(picture) for picture in (made, rgb_of(carphone()[10])[0]))
    assert np.corrcoef(ours, true)[0, 1] > 0.7


def test_strength_is_how_much(session):
    given = dark(10)
    made = [brightness(session(LowLight, strength=strength)(given)[0]) for strength in (0, 0.5, 1)]
    assert made[0] == pytest.approx(brightness(given), abs=0.01)
    assert made[0] < made[1] < made[2]


def test_a_bright_picture_stays_as_it_is(session):
    given = (128 + rgb_of(carphone()[10]).float() * 0.45).to(torch.uint8)
    (made,) = session(LowLight, strength=1.0)(given)
    assert (made.int() - given[0].int()).abs().float().mean() < 2


def test_the_exposure_does_not_pump(session):
    """Something bright comes and goes; what is beside it keeps its brightness."""
    plain, lit = dark(10), dark(10)
    lit[:, :160, :160] = 255

    def swing(smoothing):
        made = session(LowLight, smoothing=smoothing, strength=1.0)(*[plain, plain, lit, plain] * 4)
        return np.std([brightness(picture[:150, 170:200]) for picture in made[4:]])

    assert swing(1.0) < 0.5 * swing(0.0)


def test_a_new_scene_is_seen_at_once(session):
    bright = rgb_of(carphone()[10])
    cut = session(LowLight, smoothing=1.0)(bright, dark(10))[1]
    alone = session(LowLight, smoothing=1.0)(dark(10))[0]
    assert torch.equal(cut, alone)


def test_the_detail_may_change_live(session):
    running = session(LowLight)
    running(dark(10))
    (made,) = running(dark(11), map_size=64)
    assert made.shape == (480, 640, 3)


def test_moving_places_follow_and_still_ones_stay():
    steady = SteadyCurves()
    small, curves = torch.zeros(1, 3, 4, 4), torch.zeros(24, 4, 4)
    steady.update(small, curves, 1.0)
    moved, wanted = small.clone(), curves.clone()
    moved[..., 0] = 0.5
    wanted[:, :, 0], wanted[:, :, 3] = 0.8, -0.8  # together their mean stays 0
    made = steady.update(moved, wanted, 1.0)
    assert (made[:, :, 0] - 0.8).abs().max() < 1e-6
    assert (made[:, :, 3] + 0.04).abs().max() < 1e-6
