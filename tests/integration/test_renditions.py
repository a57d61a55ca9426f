"""What viewers' networks take decides who gets which picture, at what rate."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

from tests.integration.peers import NumberedTrack
from tests.integration.test_offer import wait_for_state


@asynccontextmanager
async def reporting(viewer, bitrate_bps: int):
    """Let a viewer say four times a second that its network takes just this much."""
    receiver = viewer.pc.getTransceivers()[0].receiver
    receiver._RTCRtpReceiver__remote_bitrate_estimator = None

    async def report() -> None:
        while True:
            for source in receiver.getSynchronizationSources():
                fci = pack_remb_fci(bitrate_bps, [source.source])
                packet = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)
                await receiver._send_rtcp(packet)
            await asyncio.sleep(0.25)

    task = asyncio.create_task(report())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def size(watcher) -> tuple[int, int]:
    return (watcher.last.width, watcher.last.height)


async def output(http, name: str = "show") -> dict:
    return (await (await http.get(f"/sessions/{name}")).json())["output"]


async def test_a_viewer_far_behind_gets_a_smaller_picture_of_its_own(server, peer):
    http = await server(media={"start_bitrate_bps": 1_000_000, "min_bitrate_bps": 100_000})
    await peer(http).whip("show", NumberedTrack(noise=True))
    await wait_for_state(http, "show", "live")
    good, poor = [await peer(http).whep("show", numbered=False) for _ in range(2)]
    for viewer in (good, poor):
        await viewer.watcher_ready()
        await viewer.watcher.frames(5)
        assert size(viewer.watcher) == (320, 240)
    async with reporting(good, 1_200_000):
        async with reporting(poor, 1_200_000):
            await asyncio.sleep(1)
        async with reporting(poor, 150_000):
            await poor.watcher.until(lambda watcher: size(watcher)[0] <= 160)
            assert size(good.watcher) == (320, 240)
            assert len((await output(http))["renditions"]) == 2
        assert await poor.delete() == 200
        await good.watcher.frames(10)
    (rendition,) = (await output(http))["renditions"]
    assert rendition["codec"] == "H264" and rendition["viewers"] == 1
    assert (rendition["width"], rendition["height"]) == (320, 240)


async def test_a_lone_viewer_with_little_room_gets_a_lower_rate(server, peer):
    http = await server(media={"start_bitrate_bps": 1_500_000, "min_bitrate_bps": 100_000})
    await peer(http).whip("show", NumberedTrack(noise=True))
    viewer = await peer(http).whep("show")
    await viewer.watcher_ready()
    async with reporting(viewer, 1_500_000):
        await asyncio.sleep(1)
    async with reporting(viewer, 200_000):
        async with asyncio.timeout(10):
            while (await output(http))["bitrate_bps"] > 250_000:
                await asyncio.sleep(0.1)
        assert len((await output(http))["renditions"]) == 1
    numbers = [number for _, number in viewer.watcher.seen]
    assert numbers == sorted(numbers)


async def test_a_publisher_hears_what_its_network_takes(http, peer):
    camera = NumberedTrack(noise=True)
    publisher = await peer(http).whip("show", camera)
    heard: list[int] = []
    sender = publisher.pc.getTransceivers()[0].sender
    handle = sender._handle_rtcp_packet

    async def listen(packet) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            heard.append(len(packet.fci))
        await handle(packet)

    sender._handle_rtcp_packet = listen
    async with asyncio.timeout(10):
        while len(heard) < 3:
            await asyncio.sleep(0.1)
