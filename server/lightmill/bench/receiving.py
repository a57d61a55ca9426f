"""The viewer's end: packets are taken before aiortc assembles and decodes them (aiortc 1.16).

One Python call per packet instead of a dozen hops: datagram, SRTP, header, frame. Reports, NACK,
PLI and REMB go out as aiortc's own receiver would send them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from time import monotonic
from typing import Any

import av
import pylibsrtp
from aiortc import RTCRtpTransceiver
from aiortc.clock import current_ms
from aiortc.codecs import depayload, is_rtx
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci
from av.error import FFmpegError

from lightmill.bench.collector import EncodedFrame, FrameCollector
from lightmill.bench.numbers import read_frame
from lightmill.bench.timeline import RTP_CLOCK_HZ, Follower
from lightmill.media.rtp import ABS_SEND_TIME_URI, RtpPacket, parse_rtp

PLI_INTERVAL_S = 0.3
ROOM_INTERVAL_S = 1.0
RTCP_TYPES = range(64, 96)
"""Second byte without the marker bit: these are RTCP (RFC 5761 section 4)."""


class Received:
    """What one viewer has got; lists grow for the run's length."""

    def __init__(self) -> None:
        self.delivered_at: list[float] = []
        self.latencies: list[tuple[float, float]] = []
        """Of probes alone: arrival and latency, seconds."""
        self.unreadable = 0
        self.repeated = 0


class Probe:
    """Decodes every frame in the caller's thread and reads its number."""

    def __init__(self, codec: str, follower: Follower, received: Received) -> None:
        self._decoder: Any = av.CodecContext.create("h264" if codec == "H264" else "vp8", "r")
        self._decoder.thread_count = 1
        self._follower = follower
        self._received = received

    def decode(self, data: bytes, timestamp: int) -> bool:
        """Whether a picture came out that was not seen before."""
        try:
            pictures: list[av.VideoFrame] = self._decoder.decode(av.Packet(data))
        except FFmpegError:
            pictures = []
        now = monotonic()
        number = read_frame(pictures[-1]) if pictures else None
        if number is None:
            self._received.unreadable += 1
            return False
        sent_at = self._follower.sent_at(number, timestamp)
        if sent_at is None:
            self._received.repeated += 1
            return False
        self._received.latencies.append((now, now - sent_at))
        return True


class VideoTap:
    """Takes one transceiver's incoming video, from `attach` until the connection closes."""

    def __init__(self, codec: str, follower: Follower | None = None, room_bps: int = 0) -> None:
        self.received = Received()
        self.collector = FrameCollector(codec)
        self.first_frame = asyncio.Event()
        self._probe = Probe(codec, follower, self.received) if follower else None
        self._room_bps = room_bps
        self._room_told_at = 0.0
        self._pli_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._receiver: Any = None
        self._send_time_id: int | None = None

    def attach(self, transceiver: RTCRtpTransceiver, sdp: str) -> None:
        """Start taking packets; ``sdp`` is the answer, which numbers the header extensions."""
        self._receiver = transceiver.receiver
        if not hasattr(self._receiver, "_RTCRtpReceiver__remote_streams"):
            raise AttributeError("aiortc's RTCRtpReceiver has changed; see bench/receiving.py")
        self._send_time_id = extension_id(sdp, ABS_SEND_TIME_URI)
        self._dtls: Any = self._receiver.transport
        connection: Any = self._dtls.transport.iceGatherer._connection
        self._pass_on: Callable[[bytes, int], None] = connection.data_received
        connection.data_received = self._data_received
        self._receiver._handle_rtp_packet = self._handle_queued

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _data_received(self, data: bytes, component: int) -> None:
        srtp = self._dtls._rx_srtp
        if not srtp or len(data) < 12 or not 127 < data[0] < 192 or data[1] & 0x7F in RTCP_TYPES:
            self._pass_on(data, component)
            return
        try:
            packet = parse_rtp(srtp.unprotect(data), self._send_time_id)
        except (pylibsrtp.Error, ValueError):
            return
        self._route(packet)

    async def _handle_queued(self, packet: Any, arrival_time_ms: int) -> None:
        """A packet that came before the keys were there, and went through aiortc's queue."""
        self._route(
            RtpPacket(
                packet.payload_type,
                bool(packet.marker),
                packet.sequence_number,
                packet.timestamp,
                packet.ssrc,
                packet.payload,
                packet.extensions.abs_send_time,
            )
        )

    def _route(self, packet: RtpPacket) -> None:
        now = monotonic()
        codec = self._receiver._RTCRtpReceiver__codecs.get(packet.payload_type)
        if codec is None:
            return
        self._estimate(packet)
        if is_rtx(codec):
            self._take(self._unwrap(packet, codec), now)
        else:
            streams = self._receiver._RTCRtpReceiver__remote_streams
            if packet.ssrc not in streams:
                streams[packet.ssrc] = StreamStatistics(RTP_CLOCK_HZ)
            streams[packet.ssrc].add(packet)
            self._take(packet, now)

    def _unwrap(self, packet: RtpPacket, codec: Any) -> RtpPacket:
        """The retransmitted packet within (RFC 4588 section 4)."""
        ssrc = self._receiver._RTCRtpReceiver__rtx_ssrc.get(packet.ssrc, packet.ssrc)
        return replace(
            packet,
            payload_type=codec.parameters["apt"],
            ssrc=ssrc,
            sequence_number=int.from_bytes(packet.payload[:2], "big"),
            payload=packet.payload[2:],
        )

    def _take(self, packet: RtpPacket, now: float) -> None:
        collector = self.collector
        for frame in collector.add(packet, now):
            self._deliver(frame, packet.payload_type, now)
        missing = collector.wanted(now)
        if missing:
            self._spawn(self._receiver._send_rtcp_nack(packet.ssrc, missing))
        waits = (
            collector.needs_keyframe and collector.counts.undecodable + collector.counts.given_up
        )
        if waits and now - self._pli_at >= PLI_INTERVAL_S:
            self._pli_at = now
            self._spawn(self._receiver._send_rtcp_pli(packet.ssrc))

    def _deliver(self, frame: EncodedFrame, payload_type: int, now: float) -> None:
        if self._probe is not None:
            codec = self._receiver._RTCRtpReceiver__codecs[payload_type]
            data = b"".join(depayload(codec, payload) for payload in frame.payloads)
            if not self._probe.decode(data, frame.timestamp):
                return
            now = self.received.latencies[-1][0]
        self.received.delivered_at.append(now)
        self.first_frame.set()

    def _estimate(self, packet: RtpPacket) -> None:
        """Send REMB: a fixed room each second, or what aiortc's estimator makes of the packet."""
        receiver = self._receiver
        if receiver._RTCRtpReceiver__rtcp_ssrc is None:
            return
        remb: tuple[int, list[int]] | None = None
        if self._room_bps:
            now = monotonic()
            if now - self._room_told_at >= ROOM_INTERVAL_S:
                self._room_told_at = now
                remb = (self._room_bps, [packet.ssrc])
        elif packet.abs_send_time is not None:
            remb = receiver._RTCRtpReceiver__remote_bitrate_estimator.add(
                abs_send_time=packet.abs_send_time,
                arrival_time_ms=current_ms(),
                payload_size=len(packet.payload),
                ssrc=packet.ssrc,
            )
        if remb is not None:
            report = RtcpPsfbPacket(
                fmt=RTCP_PSFB_APP,
                ssrc=receiver._RTCRtpReceiver__rtcp_ssrc,
                media_ssrc=0,
                fci=pack_remb_fci(*remb),
            )
            self._spawn(receiver._send_rtcp(report))

    def _spawn(self, sending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def extension_id(sdp: str, uri: str) -> int | None:
    """The number that ``sdp`` gives to the header extension ``uri`` in its first video section."""
    video = sdp[max(0, sdp.find("m=video")) :]
    for line in video.splitlines():
        if line.startswith("a=extmap:") and line.split()[1] == uri:
            return int(line[len("a=extmap:") :].split()[0].split("/")[0])
    return None
