from __future__ import annotations

import av
import pytest

from lightmill.bench.clip import encode_clip
from lightmill.bench.numbers import read_frame


@pytest.mark.parametrize(("codec", "decoder"), [("H264", "h264"), ("VP8", "vp8")])
def test_the_numbers_survive_a_low_rate(codec, decoder):
    clip = encode_clip(codec, 640, 480, 30, 300_000, 1, 0.5)
    context = av.CodecContext.create(decoder, "r")
    pictures = [one for frame in clip.frames for one in context.decode(av.Packet(frame.data))]
    pictures += context.decode(None)
    assert [read_frame(picture) for picture in pictures] == list(range(30))


def test_the_rate_is_near_what_was_asked():
    clip = encode_clip("H264", 640, 480, 30, 1_000_000, 2, 2)
    assert 0.6e6 < clip.bitrate_bps < 1.4e6
