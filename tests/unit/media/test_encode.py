from __future__ import annotations

import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from lightmill.errors import MediaError
from lightmill.media.colour import Colour
from lightmill.media.encode import VideoEncoder
from lightmill.media.stills import encode_jpeg, waiting_card

RANDOM = np.random.default_rng(3)
NOISE = RANDOM.integers(0, 255, (300, 400, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)


def picture(index: int, width: int = 320, height: int = 240) -> av.VideoFrame:
    array = NOISE[index : index + height, index : index + width]
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")


def planar(index: int, width: int = 320, height: int = 240) -> av.VideoFrame:
    return picture(index, width, height).reformat(format="yuv420p")


def encode(encoder: VideoEncoder, count: int, start: int = 0, keyframes: tuple[int, ...] = ()):
    return [
        packet
        for index in range(start, start + count)
        for packet in encoder.encode(
            picture(index), keyframe=index in keyframes, pts_90k=index * 3000
        )
    ]


def decode(packets, codec="H264"):
    decoder = av.CodecContext.create("h264" if codec == "H264" else "vp8", "r")
    decoder.thread_count = 1
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return frames + decoder.decode(None)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_one_packet_a_frame_keyframes_on_demand_and_pixels(codec):
    packets = encode(VideoEncoder(codec, 2_000_000), 40, keyframes=(20,))
    assert [packet.pts_90k for packet in packets] == [index * 3000 for index in range(40)]
    assert [index for index, packet in enumerate(packets) if packet.keyframe] == [0, 20]
    decoded = decode(packets[20:], codec)
    assert len(decoded) == 20
    error = decoded[0].to_ndarray(format="rgb24").astype(int) - NOISE[20:260, 20:340]
    assert np.abs(error).mean() < 30


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_the_bit_rate_may_change(codec):
    clock = iter(np.arange(0, 1000, 0.1))
    encoder = VideoEncoder(codec, 3_000_000, 4_000_000, clock=lambda: next(clock))
    fast = sum(len(packet.data) for packet in encode(encoder, 60)[30:])
    encoder.bitrate_bps = 500_000
    slow = sum(len(packet.data) for packet in encode(encoder, 90, start=60)[-30:])
    assert slow < 0.4 * fast


def test_h264_is_constrained_baseline_without_frame_reordering():
    for size in ((320, 240), (1280, 720), (1920, 1080)):
        encoder = VideoEncoder("H264", 1_000_000)
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(b"\x60" * plane.buffer_size)
        packets = [
            encoder.encode(frame, keyframe=False, pts_90k=index * 3000) for index in range(3)
        ]
        assert [len(made) for made in packets] == [1, 1, 1]  # nothing waits for the next frame
        data = packets[0][0].data
        at = data.index(b"\x00\x00\x01\x67") + 4
        profile, constraints = data[at], data[at + 1]
        assert profile == 66
        assert constraints & 0b1100_0000 == 0b1100_0000  # ITU-T H.264 A.2.1.1


def test_frames_are_only_read_and_two_encoders_may_share_one():
    frame = planar(5)
    frame.pts, frame.time_base, frame.pict_type = 77, Fraction(1, 50), 2
    before = [bytes(plane) for plane in frame.planes]
    stamps: dict[str, list[int]] = {"H264": [], "VP8": []}

    def work(codec: str, step: int) -> None:
        encoder = VideoEncoder(codec, 2_000_000)
        for index in range(60):
            stamps[codec] += [
                packet.pts_90k
                for packet in encoder.encode(frame, keyframe=index == 7, pts_90k=index * step)
            ]

    threads = [threading.Thread(target=work, args=args) for args in (("H264", 3000), ("VP8", 3001))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stamps["H264"] == [index * 3000 for index in range(60)]
    assert stamps["VP8"] == [index * 3001 for index in range(60)]
    assert (frame.pts, frame.time_base, frame.pict_type) == (77, Fraction(1, 50), 2)
    assert [bytes(plane) for plane in frame.planes] == before


def test_a_new_size_starts_with_a_keyframe_and_odd_sizes_are_cropped():
    encoder = VideoEncoder("H264", 1_000_000)
    encode(encoder, 3)
    for odd in (picture(0, 161, 121), planar(0, 161, 121)):
        (packet,) = encoder.encode(odd, keyframe=True, pts_90k=9000)
        assert packet.keyframe
        (frame,) = decode([packet])
        assert (frame.width, frame.height) == (160, 120)
        error = frame.to_ndarray(format="rgb24").astype(int) - NOISE[:120, :160]
        assert np.abs(error).mean() < 40
        encoder.close()
    with pytest.raises(MediaError, match="16x16"):
        encoder.encode(picture(0, 8, 8), keyframe=False, pts_90k=0)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_survive_either_codec(matrix, full_range):
    colour = Colour(matrix, full_range)
    flat = np.empty((64, 64, 3), np.uint8)
    flat[:] = (200, 60, 120)
    frame = av.VideoFrame.from_ndarray(flat, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace="ITU709" if matrix == "bt709" else "ITU601",
        dst_color_range=colour.range,
    )
    for codec in ("H264", "VP8"):
        packets = VideoEncoder(codec, 2_000_000).encode(frame, keyframe=True, pts_90k=0)
        (seen,) = decode(packets, codec)
        if codec == "H264":
            assert (seen.colorspace, seen.color_range) == (colour.space, colour.range)
        else:
            seen.colorspace, seen.color_range = 6, 1  # what every VP8 player assumes
        rgb = seen.to_ndarray(format="rgb24")[32, 32].astype(int)
        assert np.abs(rgb - (200, 60, 120)).max() <= 6, (codec, rgb)


def test_untagged_frames_stay_untagged():
    packets = VideoEncoder("H264", 2_000_000).encode(planar(0), keyframe=True, pts_90k=0)
    assert decode(packets)[0].colorspace == 2


def test_the_preset_follows_the_idle_cpu_with_one_keyframe_each_change():
    now = [0.0]
    idle = [0.9]
    encoder = VideoEncoder(
        "H264",
        1_000_000,
        clock=lambda: now[0],
        h264_encoder="libx264",
        idle_share=lambda: idle[0],
    )
    frame, keyframes, used = planar(0, 64, 64), [], []
    for index in range(1200):
        now[0] = index / 30
        idle[0] = 0.9 if index < 900 else 0.05
        packets = encoder.encode(frame, keyframe=False, pts_90k=index * 3000)
        keyframes += [index for packet in packets if packet.keyframe]
        used.append(encoder.implementation)
    assert used[0] == used[-1] == "libx264 ultrafast"
    assert used[899] == "libx264 veryfast"
    assert len(keyframes) == 5  # the first, two up, two down


def test_a_named_preset_stays():
    encoder = VideoEncoder("H264", 1_000_000, h264_preset="superfast", h264_encoder="libx264")
    encode(encoder, 3)
    assert encoder.implementation == "libx264 superfast"


def test_a_card_becomes_a_jpeg():
    card = waiting_card(641, 361, "Waiting for the publisher", ["my-show", ""], 0.4)
    assert (card.width, card.height) == (640, 360)
    data = encode_jpeg(card)
    with av.open(__import__("io").BytesIO(data)) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    expected = card.to_ndarray(format="rgb24")
    assert np.abs(decoded.astype(int) - expected).mean() < 4
