"""Encoded streams for tests of the receive path: real structure, arbitrary content."""

import random
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from lightmill.media.payload import Packetiser
from lightmill.media.rtp import RtpPacket

START_CODE = b"\x00\x00\x00\x01"
FRAME_TICKS = 3000
ENCODERS = {
    "H264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}),
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "-6"}),
}
DECODERS = {"H264": "h264", "VP8": "vp8"}


def encoded(codec: str, keyframes: list[bool]) -> list[bytes]:
    """Pictures of noise from a real encoder; every frame depends on the one before it."""
    name, options = ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 160, 120, "yuv420p"
    encoder.time_base, encoder.bit_rate = Fraction(1, 30), 2_000_000
    encoder.options = options
    rng = np.random.default_rng(0)
    frames: list[bytes] = []
    for pts, keyframe in enumerate(keyframes):
        picture = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = pts
        if keyframe:
            frame.pict_type = av.video.frame.PictureType.I
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    return frames + [bytes(packet) for packet in encoder.encode(None)]


def decoded(codec: str, frames: list[bytes]) -> list[bytes]:
    decoder = av.CodecContext.create(DECODERS[codec], "r")
    pictures = [picture for data in frames for picture in decoder.decode(av.Packet(data))]
    pictures += decoder.decode(None)
    return [picture.to_ndarray().tobytes() for picture in pictures]


def noise(rng: random.Random, n: int) -> bytes:
    """Bytes without zeros: nothing in them looks like a start code."""
    return bytes(rng.randrange(1, 256) for _ in range(n))


def parameter_sets(version: int) -> list[bytes]:
    """An SPS and a PPS, both with identifier 0, that differ from those of another version."""
    return [bytes((0x67, 0x42, 0xC0, 0x1F, 0x80, version + 1)), bytes((0x68, 0xCE, version + 1))]


def h264_slices(rng: random.Random, keyframe: bool, n_slices: int, size: int) -> list[bytes]:
    head = 0x65 if keyframe else 0x41
    firsts = [0x88] + [0x40] * (n_slices - 1)  # only the first slice begins at macroblock 0
    return [bytes((head, first)) + noise(rng, size) for first in firsts]


def annex_b(units: list[bytes]) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def vp8_frame(rng: random.Random, keyframe: bool, size: int) -> bytes:
    if keyframe:
        return b"\x10\x02\x00\x9d\x01\x2a" + noise(rng, size)
    return b"\x11" + noise(rng, size)


@dataclass
class SentFrame:
    data: bytes  # as a receiver that has all of it must hand it out
    keyframe: bool
    timestamp: int
    packets: list[RtpPacket]


def stream(
    codec: str,
    keyframes: list[bool],
    *,
    seed: int = 0,
    first_sequence: int = 0,
    first_timestamp: int = 0,
    markers: bool = True,
    sets_apart: bool = False,
    max_payload_bytes: int = 60,
    sizes: tuple[int, ...] = (1, 30, 60, 200, 400),
) -> list[SentFrame]:
    """One frame per item of ``keyframes``; small packets, so that few bytes make many.

    Every H.264 keyframe has new parameter sets: in it, or in packets with a timestamp of their own
    and no marker (``sets_apart``). A slice or a VP8 frame has one of ``sizes`` in bytes.
    """
    rng = random.Random(seed)
    packetiser = Packetiser(codec, max_payload_bytes)
    sequence, sent = first_sequence, list[SentFrame]()
    for index, keyframe in enumerate(keyframes):
        timestamp = (first_timestamp + index * FRAME_TICKS) % 2**32
        size = rng.choice(sizes)
        before: list[bytes] = []
        if codec == "VP8":
            data = vp8_frame(rng, keyframe, size)
            payloads = packetiser.pack(data)
        else:
            slices = h264_slices(rng, keyframe, rng.choice([1, 1, 3]), size)
            sets = parameter_sets(index) if keyframe else []
            data = annex_b(sets + slices)
            before = sets if sets_apart else []
            payloads = packetiser.pack(annex_b(slices) if sets_apart else data)
        packets: list[RtpPacket] = []
        for at, payload in enumerate(before + payloads):
            apart = at < len(before)
            last = at == len(before) + len(payloads) - 1
            stamp = (timestamp - FRAME_TICKS // 2) % 2**32 if apart else timestamp
            packets.append(RtpPacket(96, markers and last, sequence, stamp, 1, payload))
            sequence = (sequence + 1) % 2**16
        sent.append(SentFrame(data, keyframe, timestamp, packets))
    return sent
