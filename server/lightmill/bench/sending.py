"""The publisher's end: a clip's packets, paced by the clock, through aiortc's sender (aiortc 1.16)."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from time import monotonic
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import MediaStreamError

from lightmill.bench.clip import Clip
from lightmill.bench.timeline import RTP_CLOCK_HZ, Timeline

KEYFRAME_PAUSE_S = 0.5
"""Requests for a keyframe within this time of the last one are the same request."""


class PackedClip:
    """A clip as RTP payloads, packetised once for all publishers."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        encoder = H264Encoder() if clip.codec == "H264" else Vp8Encoder()
        self.payloads: list[list[bytes]] = []
        for number, frame in enumerate(clip.frames):
            packet = av.Packet(frame.data)
            packet.pts, packet.time_base = number, Fraction(1, RTP_CLOCK_HZ)
            self.payloads.append(encoder.pack(packet)[0])


class ClipTrack(MediaStreamTrack):
    """A camera that plays a clip in a loop from ``start`` (monotonic seconds).

    It stands where aiortc expects a sender's encoder, too: ``recv`` waits for the next frame's
    time, ``pack`` hands its payloads over and notes when. Asked for a keyframe, it jumps ahead to
    the clip's next one: a cut, as seen by the server, but an intra frame at once.
    """

    kind = "video"

    def __init__(self, packed: PackedClip, start: float) -> None:
        super().__init__()
        self.timeline = Timeline(packed.clip.fps)
        self.lateness_s: list[float] = []
        self.target_bitrate = 0
        """The last REMB from the server, bits per second; 0 before the first."""
        self.keyframes_asked = 0
        self._packed = packed
        self._start = start
        self._next = 0
        self._cut = False
        self._cut_at = start

    def attach(self, sender: RTCRtpSender) -> None:
        """Let ``sender`` send this track's payloads as they are. Call before it starts."""
        internals: Any = sender
        if not hasattr(sender, "_RTCRtpSender__encoder") or not hasattr(sender, "_send_keyframe"):
            raise AttributeError("aiortc's RTCRtpSender has changed; see bench/sending.py")
        internals._RTCRtpSender__encoder = self
        internals._send_keyframe = self.ask_keyframe

    def ask_keyframe(self) -> None:
        self.keyframes_asked += 1
        now = monotonic()
        if now - self._cut_at >= KEYFRAME_PAUSE_S:
            self._cut, self._cut_at = True, now

    async def recv(self) -> Any:  # Any: aiortc hands it to `pack` unread
        if self.readyState != "live":
            raise MediaStreamError
        due = self._start + len(self.timeline.numbers) / self.timeline.fps
        wait_s = due - monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self.lateness_s.append(monotonic() - due)
        return self

    def pack(self, _: ClipTrack) -> tuple[list[bytes], int]:
        """The next frame's payloads and its 90 kHz timestamp."""
        frames = self._packed.clip.frames
        if self._cut:
            self._cut = False
            while not frames[self._next].keyframe:
                self._next = (self._next + 1) % len(frames)
        number, self._next = self._next, (self._next + 1) % len(frames)
        timestamp = round(len(self.timeline.numbers) * RTP_CLOCK_HZ / self.timeline.fps)
        self.timeline.sent(number, monotonic())
        return self._packed.payloads[number], timestamp
