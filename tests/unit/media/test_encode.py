from __future__ import annotations

import av
import numpy as np
import pytest

from lightmill.errors import MediaError
from lightmill.media.encode import VideoEncoder
from lightmill.media.stills import encode_jpeg, waiting_card

RANDOM = np.random.default_rng(3)
NOISE = RANDOM.integers(0, 255, (300, 400, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)


def picture(index: int, width: int = 320, height: int = 240) -> av.VideoFrame:
    array = NOISE[index : index + height, index : index + width]
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")


def encode(encoder: VideoEncoder, count: int, start: int = 0, keyframes: tuple[int, ...] = ()):
    return [
        packet
        for index in range(start, start + count)
        for packet in encoder.encode(
            picture(index), keyframe=index in keyframes, pts_90k=index * 3000
        )
    ]


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_one_packet_a_frame_keyframes_on_demand_and_pixels(codec):
    packets = encode(VideoEncoder(codec, 2_000_000), 40, keyframes=(20,))
    assert [packet.pts_90k for packet in packets] == [index * 3000 for index in range(40)]
    assert [index for index, packet in enumerate(packets) if packet.keyframe] == [0, 20]
    decoder = av.CodecContext.create("h264" if codec == "H264" else "vp8", "r")
    decoded = [frame for packet in packets[20:] for frame in decoder.decode(av.Packet(packet.data))]
    assert len(decoded) >= 19
    error = decoded[0].to_ndarray(format="rgb24").astype(int) - NOISE[20:260, 20:340]
    assert np.abs(error).mean() < 30


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_the_bit_rate_may_change(codec):
    clock = iter(np.arange(0, 1000, 1.5))
    encoder = VideoEncoder(codec, 3_000_000, 4_000_000, clock=lambda: next(clock))
    fast = sum(len(packet.data) for packet in encode(encoder, 60)[30:])
    encoder.bitrate_bps = 500_000
    slow = sum(len(packet.data) for packet in encode(encoder, 90, start=60)[60:])
    assert slow < 0.6 * fast


def test_a_new_size_starts_with_a_keyframe_and_odd_sizes_are_cropped():
    encoder = VideoEncoder("H264", 1_000_000)
    encode(encoder, 3)
    (packet,) = encoder.encode(picture(0, 161, 121), keyframe=False, pts_90k=9000)
    assert packet.keyframe
    (frame,) = av.CodecContext.create("h264", "r").decode(av.Packet(packet.data)) or [None]
    assert frame is None or (frame.width, frame.height) == (160, 120)
    with pytest.raises(MediaError, match="16x16"):
        encoder.encode(picture(0, 8, 8), keyframe=False, pts_90k=0)


def test_a_card_becomes_a_jpeg():
    card = waiting_card(641, 361, "Waiting for the publisher", ["my-show", ""], 0.4)
    assert (card.width, card.height) == (640, 360)
    data = encode_jpeg(card)
    with av.open(__import__("io").BytesIO(data)) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    expected = card.to_ndarray(format="rgb24")
    assert np.abs(decoded.astype(int) - expected).mean() < 4
