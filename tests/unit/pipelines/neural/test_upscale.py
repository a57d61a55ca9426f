"""Twice the size."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from lightmill.pipelines.neural import anime4k
from lightmill.pipelines.neural.upscale import ARTIFACTS, WEIGHTS, Upscale, added
from tests.artifact_files import fetch

CPU = torch.device("cpu")


def drawing():
    """Outlined shapes, lines and letters, drawn large and reduced to 640x480."""
    picture, random = np.full((1920, 2560, 3), 235, np.uint8), np.random.default_rng(3)
    for _ in range(9):
        centre, axes = random.integers(200, 1800, 2).tolist(), random.integers(120, 500, 2).tolist()
        fill = random.integers(40, 255, 3).tolist()
        cv2.ellipse(picture, centre, axes, 30, 0, 360, fill, -1, cv2.LINE_AA)
        cv2.ellipse(picture, centre, axes, 30, 0, 360, (20, 20, 30), 24, cv2.LINE_AA)
    for _ in range(14):
        ends = random.integers(0, 2500, (2, 2)).tolist()
        cv2.line(picture, *ends, (25, 20, 20), int(random.integers(12, 32)), cv2.LINE_AA)
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(picture, "Lightmill", (300, 1000), font, 9, (30, 20, 120), 36, cv2.LINE_AA)
    return cv2.resize(picture, (640, 480), interpolation=cv2.INTER_AREA)


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def halved(picture):
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("network", "content"), WEIGHTS)
def test_every_network_beats_bicubic_on_a_drawing(session, network, content):
    true = drawing()
    small = halved(true)
    (made,) = session(Upscale, network=network, trained_on=content)(torch.from_numpy(small)[None])
    bicubic = cv2.resize(small, (640, 480), interpolation=cv2.INTER_CUBIC)
    assert psnr_db(made.numpy(), true) > psnr_db(bicubic, true) + 1


def test_another_layout_of_the_weights_is_worse(tmp_path):
    """The order of rows and columns in the file is what the loader takes it for."""
    file = WEIGHTS["small", "animation"][0]
    path = fetch(ARTIFACTS)[file]
    content = json.loads(path.read_text())
    for layer in content["layers"].values():
        if "weights" in layer:
            numbers = np.array(layer["weights"]).reshape(-1, 3, 3, 4, 4)
            layer["weights"] = numbers.transpose(0, 2, 1, 3, 4).ravel().tolist()
    (tmp_path / file).write_text(json.dumps(content))
    true = drawing()
    small = torch.from_numpy(halved(true))
    rgb = small.permute(2, 0, 1)[None].float() / 255
    right, wrong = (
        psnr_db(added(small, rgb, anime4k.load(one, CPU)(rgb)[0]).numpy(), true)
        for one in (path, tmp_path / file)
    )
    assert right > wrong + 1


def test_without_strength_it_is_the_plain_enlargement(session):
    small = halved(drawing())
    (made,) = session(Upscale, strength=0)(torch.from_numpy(small)[None])
    plain = cv2.resize(small, (640, 480), interpolation=cv2.INTER_LINEAR)
    assert (made.numpy() == plain).all()


def test_a_wider_picture_passes_as_it_is(session):
    picture = torch.from_numpy(drawing())[None]
    running = session(Upscale, max_input_width=320)
    assert torch.equal(running(picture)[0], picture[0])
    assert running(picture[:, :, :320])[0].shape == (960, 640, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_and_tensors_agree(channels, monkeypatch):
    picture = torch.from_numpy(halved(drawing()))
    rgb = picture.permute(2, 0, 1)[None].float() / 255
    detail = torch.rand(channels, 480, 640, generator=torch.Generator().manual_seed(1)) * 0.4 - 0.2
    on_cpu = added(picture, rgb, detail.clone()).int()
    (large,) = torch.nn.functional.interpolate(rgb, (480, 640), mode="bilinear")
    tensors = large.add(detail).mul(255).round().clamp(0, 255).permute(1, 2, 0).int()
    assert (on_cpu - tensors).abs().max() <= 1


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (17, 33)])
def test_any_size_doubles(session, size):
    picture = torch.zeros((1, *size, 3), dtype=torch.uint8)
    (made,) = session(Upscale)(picture)
    assert made.shape == (2 * size[0], 2 * size[1], 3)
