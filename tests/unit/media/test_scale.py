from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.errors import MediaError
from lightmill.media.scale import Scaler, fit
from tests.unit.media.colours import planes_of, yuv_frame


def test_the_usual_steps():
    assert fit(1280, 720, 360) == (640, 360)
    assert fit(1280, 720, 540) == (960, 540)
    assert fit(1280, 720, 1080) == (1280, 720)
    assert fit(720, 1280, 360) == (360, 640)
    assert fit(641, 481, 480) == (640, 480)


@given(st.integers(16, 4096), st.integers(16, 4096), st.integers(16, 2160))
def test_sizes_are_even_never_larger_and_keep_their_shape(width, height, step):
    w, h = fit(width, height, step)
    assert w % 2 == h % 2 == 0
    assert 16 <= w <= width and 16 <= h <= height
    assert min(w, h) <= max(16, step + 1)
    if min(w, h) > 16:
        ratio = (w / width) / (h / height)
        assert abs(ratio - 1) <= 2.5 / min(w, h)


@pytest.mark.parametrize("format", ["yuv420p", "yuvj420p", "nv12"])
def test_scaling_averages_areas_and_keeps_tags(format):
    frame, (y, _, _) = yuv_frame(96, 128, space=1, range=1)
    frame = frame if format == "yuv420p" else frame.reformat(format=format)
    small = Scaler().scale(frame, 64, 48)
    assert (small.width, small.height, small.format.name) == (64, 48, "yuv420p")
    assert small.colorspace == 1 and frame.colorspace == 1
    if format == "yuv420p":
        expected = y.reshape(48, 2, 64, 2).mean((1, 3))
        assert np.abs(planes_of(small)[0] - expected).max() <= 1.01


def test_what_fits_already_is_the_same_frame_and_odd_sizes_are_refused():
    frame = av.VideoFrame(64, 48, "yuv420p")
    assert Scaler().scale(frame, 64, 48) is frame
    for size in ((63, 48), (64, 8)):
        with pytest.raises(MediaError, match="even"):
            Scaler().scale(frame, *size)


def test_one_scaler_takes_changing_sizes():
    scaler = Scaler()
    for height, width in ((96, 128), (49, 65), (720, 1280)):
        frame, _ = yuv_frame(height, width)
        small = scaler.scale(frame, *fit(width, height, 32))
        assert small.height in (32, 30)
