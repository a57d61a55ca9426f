"""People stay, what is behind them goes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lightmill.errors import InvalidSettings
from lightmill.pipelines.neural.background import Background, BackgroundConfig
from lightmill.planes import YuvPlanes
from tests.real_clips import carphone, planes_of, rgb_of

HAND_CHECKED = json.loads((Path(__file__).parent / "carphone.json").read_text())
"""Outlines drawn by eye round the man in three frames, in the clip's own pixels."""


def outline(index, height=480, width=640):
    points = np.array(HAND_CHECKED["frames"][str(index)])
    points *= [width / HAND_CHECKED["width"], height / HAND_CHECKED["height"]]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(int)], 1)
    return mask > 0


def picture_url(rgb, suffix=".png"):
    encoded = cv2.imencode(suffix, rgb[..., ::-1])[1].tobytes()
    kind = "png" if suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def levels(planes: YuvPlanes):
    return tuple(int(plane[0, 0]) for plane in (planes.y, planes.u, planes.v))


@pytest.mark.parametrize(
    "settings", [{}, {"refine": False}, {"model": "square"}, {"smoothing": 1.0}]
)
def test_the_mask_is_the_man(session, settings):
    frames = [planes_of(frame) for frame in carphone()[:111]]
    mattes = session(Background, background="matte", **settings)(*frames)
    for index in map(int, HAND_CHECKED["frames"]):
        found, true = mattes[index].y.numpy() > 125, outline(index)
        assert (found & true).sum() / (found | true).sum() >= 0.9


def test_steadiness_calms_the_edge_of_somebody_who_sits_still(session):
    still, noise = planes_of(carphone()[60]), np.random.default_rng(1)

    def flicker(**settings):
        running, mattes = session(Background, background="matte", **settings), []
        for _ in range(16):
            y = still.y.numpy() + noise.normal(0, 3, (480, 640))
            noisy = torch.from_numpy(y.clip(0, 255).astype(np.uint8))
            mattes += running(YuvPlanes(noisy, still.u, still.v))
        steady = np.stack([matte.y.numpy() for matte in mattes[6:]]).astype(float)
        return np.abs(np.diff(steady, axis=0)).mean()

    assert flicker(smoothing=1.0) < 0.75 * flicker(smoothing=0.0)


def test_blur_keeps_the_man_and_blurs_the_car(session):
    frame = planes_of(carphone()[10])
    (made,) = session(Background, blur_amount=1.0)(frame)
    man, before, after = outline(10), frame.y.numpy().astype(float), made.y.numpy().astype(float)
    inside = cv2.erode(man.astype(np.uint8), np.ones((41, 41))) > 0
    outside = cv2.dilate(man.astype(np.uint8), np.ones((41, 41))) == 0
    assert np.abs(before - after)[inside].mean() < 1
    detail = [
        np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 6))[outside].mean()
        for picture in (before, after)
    ]
    assert detail[1] < 0.35 * detail[0]


def test_no_blur_leaves_the_picture_as_it_is(session):
    frame = planes_of(carphone()[10])
    (made,) = session(Background, blur_amount=0)(frame)
    assert (made.y.int() - frame.y.int()).abs().max() <= 1


def test_a_colour_stands_behind_in_the_matrix_and_range_of_the_picture(session):
    frame = planes_of(carphone()[10])
    red = {"background": "colour", "colour": "#ff0000"}
    (made,) = session(Background, **red)(frame)
    assert levels(made) == (81, 90, 240)  # red in BT.601, limited range
    full = YuvPlanes(frame.y, frame.u, frame.v, "bt709", full_range=True)
    (made,) = session(Background, **red)(full)
    assert levels(made) == (54, 99, 255) and made.matrix == "bt709" and made.full_range
    (green,) = session(Background, background="green")(frame)
    assert levels(green) == (111, 105, 58)  # #00b140


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_stands_behind_and_covers_all(session, suffix):
    image = np.zeros((90, 320, 3), np.uint8)
    image[:, 160:] = (0, 0, 255)
    image[:, :160] = (255, 0, 0)
    frame = planes_of(carphone()[10])
    running = session(Background, background="image", backdrop_image=picture_url(image, suffix))
    (made,) = running(frame)
    assert made.y.shape == (480, 640)
    assert made.v[4, 4] > 200 and made.u[4, -4] > 200  # red at the left, blue at the right
    assert np.abs(made.y.numpy()[300, 320].astype(int) - int(frame.y[300, 320])) <= 2


def test_without_a_picture_the_colour_stands_behind(session):
    (made,) = session(Background, background="image", colour="#ff0000")(planes_of(carphone()[10]))
    assert levels(made) == (81, 90, 240)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("/etc/passwd", "data:image/png"),
        ("data:image/png;base64,%%%", "base64"),
        ("data:image/png;base64,aGVsbG8=", "neither PNG nor JPEG"),
        ("x" * 200_000, "at most"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(image, why):
    with pytest.raises(InvalidSettings) as refused:
        BackgroundConfig.validate_settings("video", {"backdrop_image": image})
    (field,) = refused.value.fields
    assert field.field == "backdrop_image" and why in field.message


def test_light_wrap_lets_the_background_over_the_edge_only(session):
    frame = planes_of(carphone()[10])
    green = {"background": "green"}
    (plain,), (wrapped,) = (
        session(Background, light_wrap=amount, **green)(frame) for amount in (0.0, 1.0)
    )
    change = (plain.y.int() - wrapped.y.int()).abs().numpy()
    deep = cv2.erode(outline(10).astype(np.uint8), np.ones((81, 81))) > 0
    assert change.max() > 10 and change[deep].max() <= 1


def test_frames_of_any_size_and_changes_of_size_and_network_work(session):
    running = session(Background)
    for width, height in ((160, 90), (91, 51), (48, 320)):
        (made,) = running(planes_of(carphone(64, 48, 1)[0].reformat(width, height)))
        assert made.y.shape == (height, width)
    (made,) = running(planes_of(carphone(64, 48, 1)[0]), model="square")
    assert made.y.shape == (48, 64)


def test_nobody_in_the_picture_leaves_only_background(session):
    grey = torch.full((240, 320), 120, dtype=torch.uint8)
    chroma = torch.full((120, 160), 128, dtype=torch.uint8)
    (made,) = session(Background, background="matte")(YuvPlanes(grey, chroma, chroma.clone()))
    assert (made.y > 60).float().mean() < 0.02


def test_the_clip_is_the_one_the_outlines_were_drawn_on():
    assert rgb_of(carphone()[0]).shape == (1, 480, 640, 3)
    assert len(carphone()) == 120
