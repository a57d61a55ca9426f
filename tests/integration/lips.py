"""A clip that flashes and beeps at once, and a viewer that tells how far the two come apart.

Two clocks tell it: the server's sender reports, by which browsers keep lips in step, and the
arrival of the packets, by which players go that ignore the reports.
"""

from __future__ import annotations

import asyncio
import fractions
import subprocess
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpSrPacket

from tests.integration.peers import PeerClient

FPS = 30
PERIOD_FRAMES = 34
"""No multiple of 100 ms, so that a slow pipeline is caught in every phase; long enough that a beep
cannot be taken for that of another flash."""
FLASH_FRAMES = 6
TONE_HZ = 1000
RATE_HZ = 48_000


def write_clip(path: Path, seconds: float) -> None:
    """Write a Matroska file of raw-ish video and PCM: white and loud for the first ``FLASH_FRAMES`` of each period."""
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        video.bit_rate = 1_000_000
        audio = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for index in range(round(seconds * FPS)):
            level = 255 if index % PERIOD_FRAMES < FLASH_FRAMES else 0
            picture = np.full((240, 320, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, fractions.Fraction(1, FPS)
            container.mux(video.encode(frame))
            container.mux(audio.encode(_beep(index)))
        container.mux(video.encode())
        container.mux(audio.encode())


def _beep(index: int) -> av.AudioFrame:
    """The sound of one picture."""
    count = RATE_HZ // FPS
    at = (np.arange(count) + index * count) / RATE_HZ
    loud = index % PERIOD_FRAMES < FLASH_FRAMES
    samples = (np.sin(2 * np.pi * TONE_HZ * at) * 12_000 * loud).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    frame.pts, frame.time_base = index * count, fractions.Fraction(1, RATE_HZ)
    return frame


class Publisher:
    """ffmpeg, publishing a clip through WHIP in real time."""

    def __init__(self, clip: Path, url: str) -> None:
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            *(
                "-hide_banner",
                "-loglevel",
                "error",
                "-re",
                "-readrate_catchup",
                "1",
                "-i",
                str(clip),
            ),
            *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
            *("-profile:v", "baseline", "-pix_fmt", "yuv420p", "-g", "30", "-b:v", "1M"),
            *("-c:a", "libopus", "-ar", "48000", "-ac", "2", "-frame_duration", "20"),
            *("-f", "whip", url),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


class Ear:
    """One receiver's packets and sender reports."""

    def __init__(self, receiver: Any, rate_hz: int) -> None:
        self.packets: dict[int, tuple[int, bytes]] = {}
        self.markers = 0
        self._receiver = receiver
        self._rate_hz = rate_hz
        self._arrivals: dict[int, float] = {}
        self._reports: list[tuple[float, int]] = []
        self._rtp, self._rtcp = receiver._handle_rtp_packet, receiver._handle_rtcp_packet
        receiver._handle_rtp_packet = self._take_rtp
        receiver._handle_rtcp_packet = self._take_rtcp

    async def _take_rtp(self, packet: Any, arrival_time_ms: int) -> None:
        self.packets[packet.sequence_number] = (packet.timestamp, packet.payload)
        self._arrivals[packet.timestamp] = monotonic()
        self.markers += packet.marker
        await self._rtp(packet, arrival_time_ms=arrival_time_ms)

    async def _take_rtcp(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket) and packet.sender_info.ntp_timestamp:
            info = packet.sender_info
            self._reports.append((info.ntp_timestamp / (1 << 32), info.rtp_timestamp))
        await self._rtcp(packet)

    def reported(self, timestamp: int) -> float:
        """The server's wall clock at ``timestamp``, by the sender reports around it."""
        return self._at(timestamp, self._reports)

    def arrived(self, timestamp: int) -> float:
        """When ``timestamp`` came, by the packets around it."""
        return self._at(timestamp, [(at, stamp) for stamp, at in self._arrivals.items()])

    def _at(self, timestamp: int, pairs: list[tuple[float, int]]) -> float:
        def distance(pair: tuple[float, int]) -> int:
            return (timestamp - pair[1] + (1 << 31)) % (1 << 32) - (1 << 31)

        nearest = sorted(pairs, key=lambda pair: abs(distance(pair)))[:3]
        return median(pair[0] + distance(pair) / self._rate_hz for pair in nearest)

    @property
    def origin(self) -> int:
        """The timestamp that the decoded frames' pts count from."""
        return self._receiver._RTCRtpReceiver__timestamp_mapper._origin


class LipViewer:
    """A WHEP viewer of sound and picture."""

    def __init__(self, client: PeerClient) -> None:
        self.client = client
        self.frames: list[tuple[int, bool]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, session: str) -> LipViewer:
        pc = self.client.pc
        audio = pc.addTransceiver("audio", "recvonly")
        video = pc.addTransceiver("video", "recvonly")
        self.audio = Ear(audio.receiver, RATE_HZ)
        self.video = Ear(video.receiver, 90_000)
        pc.on("track", self._watch)
        await self.client._sdp_post(f"/whep/{session}")
        return self

    def _watch(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._drain(track)))

    async def _drain(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    bright = frame.to_ndarray(format="gray").mean() > 128
                    self.frames.append((frame.pts, bool(bright)))

    def flashes(self) -> list[int]:
        """The timestamps at which flashes began: between the last dark and the first bright picture.

        Pictures of a camera stand for the time until the next, which moves the estimate by
        half of it; a pipeline that drops frames makes it uncertain, but not late.
        """
        found = []
        for (before, was), (pts, bright) in zip(self.frames, self.frames[1:], strict=False):
            if bright and not was and pts - before < 0.3 * 90_000:
                begun = (before + pts) / 2 + 90_000 / FPS / 2
                found.append(self.video.origin + round(begun))
        return found

    def beeps(self) -> list[int]:
        """The timestamps at which beeps began."""
        packets = [self.audio.packets[number] for number in sorted(self.audio.packets)]
        first = packets[0][0]
        decoder = av.CodecContext.create("libopus", "r")
        sound = np.zeros(packets[-1][0] - first + 10 * RATE_HZ, np.float32)
        for timestamp, payload in packets:
            for frame in decoder.decode(av.Packet(payload)):
                samples = frame.to_ndarray()
                mono = samples.mean(0) if samples.shape[0] > 1 else samples[0]
                at = timestamp - first
                sound[at : at + len(mono)] = mono[: len(sound) - at]
        loud = np.flatnonzero(np.abs(sound) > np.abs(sound).max() / 4)
        starts = loud[np.flatnonzero(np.diff(loud, prepend=-RATE_HZ) > 0.1 * RATE_HZ)]
        return [first + int(start) for start in starts]

    def skews_ms(self, *, by: str = "reported", skip: int = 3) -> list[float]:
        """Sound minus picture for each flash but the first ``skip``; positive: the sound is late."""
        beeps = [getattr(self.audio, by)(timestamp) for timestamp in self.beeps()]
        flashes = [getattr(self.video, by)(timestamp) for timestamp in self.flashes()]
        pairs = [(min(beeps, key=lambda beep: abs(beep - flash)), flash) for flash in flashes]
        return [round((beep - flash) * 1000, 1) for beep, flash in pairs[skip:]]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
