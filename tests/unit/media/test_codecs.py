from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError

from lightmill.media import encode as encode_module
from lightmill.media.codecs import Opening, nvenc_works, open_nvenc
from lightmill.media.encode import VideoEncoder

HAS_NVIDIA = Path("/dev/nvidia0").exists()


def noisy(width, height, count=30):
    """A moving texture with noise: hard to encode, so that the rate is what bounds it."""
    random = np.random.default_rng(1)
    shape = (height // 8 + 40, width // 8 + 40)
    texture = random.integers(40, 200, shape, dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    frames = []
    for index in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        picture = texture[2 * index : 2 * index + height, 3 * index : 3 * index + width]
        picture = picture.astype(np.int16) + random.integers(-5, 6, (height, width))
        for plane, content in zip(frame.planes, (picture, 128, 128), strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            rows[:, : plane.width] = np.clip(content, 0, 255)
        frames.append(frame)
    return frames + frames[::-1]


@pytest.fixture(scope="module")
def clip():
    return noisy(640, 360)


def sizes(encoder, clip, seconds, fps=30, keyframes=(), start=0):
    """Bytes of each frame over so many seconds."""
    made = []
    for index in range(start, start + round(seconds * fps)):
        packets = encoder.encode(
            clip[index % len(clip)],
            keyframe=index in keyframes,
            pts_90k=round(index * 90_000 / fps),
        )
        made.append(sum(len(packet.data) for packet in packets))
    return made


def bps(made, fps):
    return sum(made) * 8 / (len(made) / fps)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
@pytest.mark.parametrize("target", [500_000, 1_200_000, 3_000_000])
def test_the_rate_is_kept_after_two_seconds(codec, target, clip):
    encoder = VideoEncoder(codec, target, h264_encoder="libx264")
    assert bps(sizes(encoder, clip, 7)[60:], 30) == pytest.approx(target, rel=0.15)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
@pytest.mark.parametrize("fps", [10, 60])
def test_the_rate_is_kept_at_other_frame_rates(codec, fps, clip):
    encoder = VideoEncoder(codec, 1_000_000, h264_encoder="libx264", clock=ticking(fps))
    made = sizes(encoder, clip, 9, fps)
    assert bps(made[-5 * fps :], fps) == pytest.approx(1_000_000, rel=0.2)


def ticking(fps):
    """A clock that a few readings a frame move on by about a frame; close enough to real time."""
    now = [0.0]

    def clock() -> float:
        now[0] += 0.4 / fps
        return now[0]

    return clock


@pytest.mark.parametrize("target", [300_000, 1_000_000, 2_500_000])
def test_keyframes_are_no_burst(target, clip):
    encoder = VideoEncoder("H264", target, h264_encoder="libx264")
    made = sizes(encoder, clip, 6, keyframes=(100, 150))
    average = target / 8 / 30
    assert max(made[0], made[100], made[150]) <= 7.5 * average
    assert sum(made[100:130]) * 8 <= 1.3 * target


def test_the_rate_follows_a_fall_and_a_rise(clip):
    now = [0.0]
    encoder = VideoEncoder("H264", 4_000_000, h264_encoder="libx264", clock=lambda: now[0])
    start, keyframes = 0, 0
    for target in (4_000_000, 300_000, 450_000, 3_000_000):
        encoder.bitrate_bps = target
        made = []
        for index in range(start, start + 240):
            now[0] = index / 30
            (packet,) = encoder.encode(
                clip[index % len(clip)], keyframe=False, pts_90k=index * 3000
            )
            made.append(len(packet.data))
            keyframes += packet.keyframe
        start += 240
        assert bps(made[-90:], 30) == pytest.approx(target, rel=0.25), target
    assert keyframes <= 4  # the first, and one for each change that the buffer does not fit


@pytest.mark.skipif(HAS_NVIDIA, reason="this machine may have NVENC")
def test_without_a_gpu_the_probe_says_no_and_nothing_breaks(caplog):
    nvenc_works.cache_clear()
    with caplog.at_level(logging.INFO):
        assert not nvenc_works()
        assert not nvenc_works()
    assert len(caplog.records) == 1
    with pytest.raises(FFmpegError):
        open_nvenc(Opening(640, 360, 1_000_000, 30))
    assert VideoEncoder("H264", 1_000_000, h264_encoder="nvenc").implementation.startswith(
        "libx264"
    )


@pytest.mark.skipif(HAS_NVIDIA, reason="this machine may have NVENC")
def test_a_card_that_refuses_is_replaced_by_the_cpu(monkeypatch, clip, caplog):
    monkeypatch.setattr(encode_module, "nvenc_works", lambda: True)
    encoder = VideoEncoder("H264", 1_000_000)
    assert all(sizes(encoder, clip, 0.2))
    assert encoder.implementation == "libx264 ultrafast"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.skipif(not HAS_NVIDIA, reason="needs an NVIDIA GPU")
def test_nvenc_keeps_its_rate_and_gives_keyframes_on_demand(clip):
    if not nvenc_works():
        pytest.skip("this GPU has no encoder")
    encoder = VideoEncoder("H264", 1_200_000)
    packets = [
        packet
        for index in range(210)
        for packet in encoder.encode(
            clip[index % len(clip)], keyframe=index == 90, pts_90k=index * 3000
        )
    ]
    assert len(packets) == 210
    assert [index for index, packet in enumerate(packets) if packet.keyframe] == [0, 90]
    assert bps([len(packet.data) for packet in packets[60:]], 30) == pytest.approx(1.2e6, rel=0.2)
