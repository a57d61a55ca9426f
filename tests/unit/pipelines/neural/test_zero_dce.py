"""The network of curves, and the curves."""

from __future__ import annotations

import pytest
import torch

from lightmill.pipelines.neural import zero_dce
from lightmill.pipelines.neural.low_light import WEIGHTS
from tests.artifact_files import fetch

CPU = torch.device("cpu")


def test_the_published_weights_fit():
    network = zero_dce.load(fetch([WEIGHTS])[WEIGHTS.names[0]], CPU)
    with torch.inference_mode():
        curves = network(torch.rand(1, 3, 24, 32) * 0.2)
    assert curves.shape == (1, 24, 24, 32)
    assert curves.abs().max() <= 1 and curves.std() > 0.05


def test_other_weights_are_refused(tmp_path):
    torch.save({"model_state_dict": {"dce_net.conv1.weight": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(RuntimeError):
        zero_dce.load(tmp_path / "a.pth", CPU)


def test_one_curve_is_the_formula_of_the_paper():
    picture = torch.arange(256, dtype=torch.uint8).repeat(3, 1).T.reshape(16, 16, 3)
    curves = torch.zeros(24, 4, 4)
    curves[:3] = -0.5
    x = picture.float() / 255
    expected = (x + 0.5 * x * (1 - x)) * 255
    assert (zero_dce.apply(picture, curves).float() - expected).abs().max() <= 0.51


def test_arrays_and_tensors_agree():
    generator = torch.Generator().manual_seed(1)
    picture = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8, generator=generator)
    curves = torch.rand(24, 6, 8, generator=generator) * 1.6 - 0.8
    made = zero_dce.apply(picture, curves).int()
    assert (made - zero_dce.apply_tensors(picture, curves).int()).abs().max() <= 1
