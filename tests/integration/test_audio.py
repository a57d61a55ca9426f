"""Sound reaches the viewers untouched and in step with the picture."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from statistics import median

import pytest
from aiortc import RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from tests.integration.lips import RATE_HZ, Ear, LipViewer, Publisher, write_clip
from tests.integration.peers import NumberedTrack, PeerClient
from tests.integration.test_offer import wait_for_state

WATCHED_S = 15.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "flash-and-beep.mkv"
    write_clip(path, 60)
    return path


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize(
    ("pipeline", "settings", "source"),
    [
        ("passthrough", {}, "publisher"),
        ("test-slow", {"delay_ms": 100}, "publisher"),
        ("test-chunks", {"size": 12, "delay_ms": 100}, "publisher"),
        ("test-chunks", {"size": 1, "delay_ms": 10, "speak": True}, "pipeline"),
        ("test-chunks", {"size": 12, "delay_ms": 100, "speak": True}, "pipeline"),
    ],
    ids=["passthrough", "slow", "chunks", "voice", "voice-chunks"],
)
async def test_flash_and_beep_stay_together(server, clip, pipeline, settings, source):
    http = await server()
    made = await http.post(
        "/sessions", json={"name": "lips", "pipeline": pipeline, "settings": settings}
    )
    assert made.status == 201, await made.text()
    publisher = await asyncio.to_thread(Publisher, clip, str(http.make_url("/whip/lips")))
    client = PeerClient(http)
    viewer = LipViewer(client)
    try:
        await wait_for_state(http, "lips", "live")
        await viewer.join("lips")
        await asyncio.sleep(WATCHED_S)
        session = await (await http.get("/sessions/lips")).json()
        skews, arrivals = viewer.skews_ms(), viewer.skews_ms(by="arrived")
        print(f"{pipeline} {settings}: median {median(skews):+.1f} ms of {skews}")
        print(f"by arrival: median {median(arrivals):+.1f} ms")
        print(session["audio"], session["latency_ms"]["total"], f"{viewer.audio.markers} markers")
        assert session["audio"]["from"] == source
        assert len(skews) >= 8
        assert abs(median(skews)) <= 40
        assert abs(median(arrivals)) <= 40
    finally:
        await viewer.aclose()
        await client.aclose()
        await asyncio.to_thread(publisher.close)


def sections(sdp: str) -> dict[str, list[str]]:
    """The lines of each media section by its kind."""
    found: dict[str, list[str]] = {}
    for part in sdp.split("m=")[1:]:
        found[part.split(" ", 1)[0]] = part.splitlines()
    return found


def attribute(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"a={name}:")).split(":", 1)[1]


async def test_one_stream_for_both_and_stereo_is_answered(http, peer):
    await peer(http).whip("show", NumberedTrack())
    viewer = peer(http)
    viewer.pc.addTransceiver("audio", "recvonly")
    viewer.pc.addTransceiver("video", "recvonly")
    offer = (await viewer.pc.createOffer()).sdp
    await viewer.pc.setLocalDescription(RTCSessionDescription(offer, "offer"))
    text = viewer.pc.localDescription.sdp.replace(
        "a=rtpmap:96 opus/48000/2\r\n",
        "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;stereo=1;useinbandfec=1;usedtx=1\r\n",
    )
    headers = {"Content-Type": "application/sdp"}
    reply = await http.post("/whep/show", data=text, headers=headers)
    answer = await reply.text()
    assert reply.status == 201, answer
    audio, video = sections(answer)["audio"], sections(answer)["video"]
    assert audio[0].split(" ")[3:] == ["96"]
    assert "a=sendonly" in audio and "a=sendonly" in video
    assert "a=fmtp:96 minptime=10;stereo=1;useinbandfec=1" in audio
    assert attribute(audio, "msid").split()[0] == attribute(video, "msid").split()[0]
    names = {line.split("cname:")[1] for line in audio + video if "cname:" in line}
    assert len(names) == 1


async def test_sound_that_is_not_opus_sleeps(http, peer):
    publisher = peer(http)
    audio = publisher.pc.addTransceiver(AudioStreamTrack(), "sendonly")
    capabilities = RTCRtpSender.getCapabilities("audio").codecs
    audio.setCodecPreferences([codec for codec in capabilities if "PCM" in codec.mimeType])
    await publisher.whip("show", NumberedTrack())
    answer = sections(publisher.pc.remoteDescription.sdp)
    assert "a=inactive" in answer["audio"] and "a=recvonly" in answer["video"]
    session = await wait_for_state(http, "show", "live")
    assert session["audio"]["from"] is None


async def test_a_peer_hears_itself_and_publishers_can_change(http, peer):
    """Sound goes through ``/offer`` too, and goes on in one timeline with the next publisher."""
    first = peer(http)
    first.pc.addTrack(AudioStreamTrack())
    ear = Ear(first.pc.getTransceivers()[0].receiver, RATE_HZ)
    await first.offer(NumberedTrack(), session="show")
    answer = sections(first.pc.remoteDescription.sdp)
    assert "a=sendrecv" in answer["audio"]
    await heard(ear, 20)
    assert (await wait_for_state(http, "show", "live"))["audio"]["from"] == "publisher"

    viewer = peer(http)
    listener = Ear(viewer.pc.addTransceiver("audio", "recvonly").receiver, RATE_HZ)
    await viewer.whep("show")
    await heard(listener, 20)
    second = peer(http)
    second.pc.addTransceiver(AudioStreamTrack(), "sendonly")
    await second.whip("show", NumberedTrack())
    before = len(listener.packets)
    await heard(listener, before + 30)
    stamps = [listener.packets[number][0] for number in sorted(listener.packets)]
    steps = [(b - a) % (1 << 32) for a, b in pairwise(stamps)]
    assert all(0 < step < 5 * RATE_HZ for step in steps)
    assert steps.count(960) > len(steps) - 5


async def test_a_viewer_without_audio_gets_none(http, peer):
    await peer(http).whip("show", NumberedTrack())
    viewer = await peer(http).whep("show")
    assert set(sections(viewer.pc.remoteDescription.sdp)) == {"video"}
    await viewer.watcher_ready()
    await viewer.watcher.frames(5)


async def heard(ear: Ear, count: int) -> None:
    async with asyncio.timeout(10):
        while len(ear.packets) < count:
            await asyncio.sleep(0.02)
