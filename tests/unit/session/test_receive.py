from __future__ import annotations

from lightmill.config import MediaConfig
from lightmill.media.rtp import RtpPacket
from lightmill.media.threads import CodecThreads
from lightmill.session.receive import SWITCH_AFTER_S, VideoReceiver


class Port:
    """A receiver's feedback, counted by the SSRC that it is about."""

    rtt_s = None

    def __init__(self) -> None:
        self.keyframe_requests: list[int] = []

    def send_pli(self, ssrc: int) -> None:
        self.keyframe_requests.append(ssrc)

    def send_nack(self, ssrc: int, lost: list[int]) -> None: ...

    def send_remb(self, ssrc: int, bitrate_bps: int) -> None: ...

    def counts(self, ssrc: int) -> tuple[int, int]:
        return (0, 0)


class Wire:
    def __init__(self) -> None:
        self.port = Port()

    def receive(self, receiver: object, sink: object) -> Port:
        return self.port


async def test_two_streams_that_alternate_do_not_start_each_other_anew():
    threads, wire = CodecThreads(1), Wire()
    receiver = VideoReceiver(wire, None, MediaConfig(), threads, lambda _: None, lambda *_: None)
    for number in range(200):
        ssrc = 1 + number % 2
        packet = RtpPacket(96, True, number, number * 3000, ssrc, b"\x00\x01\x02")
        receiver.receive(packet, "VP8", number / 1000)
    assert set(wire.port.keyframe_requests) == {1}
    assert len(wire.port.keyframe_requests) <= 2
    packet = RtpPacket(96, True, 0, 0, 2, b"\x00\x01\x02")
    receiver.receive(packet, "VP8", 0.2 + SWITCH_AFTER_S)
    assert wire.port.keyframe_requests[-1] == 2
    receiver.close()
    threads.close()
