from __future__ import annotations

import av
import numpy as np
import pytest

from lightmill.errors import MediaError
from lightmill.media.scale import Scaler
from tests.unit.media.colours import planes_of, yuv_frame


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
        small = scaler.scale(frame, 48, 32)
        assert (small.width, small.height) == (48, 32)
