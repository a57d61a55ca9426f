"""Masks that stand still and lie along edges."""

from __future__ import annotations

import cv2
import numpy as np

from lightmill.pipelines.neural.matte import SteadyMask, guided, hardened


def test_noise_in_the_mask_of_a_still_picture_is_averaged():
    rng, still = np.random.default_rng(0), np.full((40, 60), 0.5, np.float32)
    steady = SteadyMask()
    masks = [
        steady.update(rng.uniform(0, 1, (40, 60)).astype(np.float32), still, 1.0) for _ in range(40)
    ]
    assert np.std(masks[-1]) < 0.35 * np.std(masks[0])


def test_what_moves_is_followed_at_once():
    steady = SteadyMask()
    before, after = np.zeros((40, 60), np.float32), np.zeros((40, 60), np.float32)
    before[:, :20], after[:, 20:40] = 1, 1
    steady.update(before, before * 0.5, 1.0)
    made = steady.update(after, after * 0.5, 1.0)
    assert np.abs(made - after)[:, 3:37].max() == 0


def test_a_change_of_size_and_no_smoothing_take_the_mask_as_it_is():
    steady = SteadyMask()
    steady.update(np.zeros((4, 6), np.float32), np.zeros((4, 6), np.float32), 1.0)
    ones = np.ones((8, 6), np.float32)
    assert (steady.update(ones, ones, 1.0) == 1).all()
    assert (steady.update(ones * 0.5, ones, 0.0) == 0.5).all()


def test_the_edge_comes_to_lie_where_the_picture_has_one():
    luma = np.zeros((240, 320), np.float32)
    luma[:, 150:] = 0.8
    luma = cv2.GaussianBlur(luma, (0, 0), 1)
    small = cv2.resize(luma, (80, 60), interpolation=cv2.INTER_AREA)
    mask = np.zeros((60, 80), np.float32)
    mask[:, 39:] = 1  # a pixel too far to the right of 37.5: six pixels of the large picture
    plain = cv2.resize(mask, (320, 240), interpolation=cv2.INTER_LINEAR)
    fine = guided(mask, small, luma)
    assert fine.shape == (240, 320)
    true = luma > 0.4
    wrong = [((found > 0.5) != true).mean() for found in (plain, fine)]
    assert wrong[0] > 0.01 and wrong[1] < 0.5 * wrong[0]


def test_softness_is_the_width_of_the_edge():
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None]
    hard, soft = hardened(ramp.copy(), 0.0), hardened(ramp.copy(), 1.0)
    assert ((hard > 0) & (hard < 1)).sum() <= 11
    assert np.abs(soft - ramp).max() < 1e-6
    assert np.abs(hard[0, 50] - 0.5) < 0.05
