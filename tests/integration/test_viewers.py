"""WHIP in, WHEP out: waiting cards, grace, takeover, limits, clean ends."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter

import psutil
import pytest
from aiortc import RTCPeerConnection

from lightmill.inference.runner import StageRunner
from lightmill.media.decode import DecodeQueue
from lightmill.media.encode import VideoEncoder
from lightmill.media.frames import MediaFrame
from lightmill.session.aiortc_seam import RtpWire
from lightmill.session.lane import Lane
from lightmill.session.peer import Peer
from lightmill.session.send import RtpSender
from lightmill.session.session import Session
from tests.integration.peers import NumberedTrack, PeerClient
from tests.integration.test_offer import mean, spread, wait_for_state


async def test_viewers_before_the_publisher_see_a_card_and_then_the_picture(http, peer):
    viewers = [await peer(http).whep("show") for _ in range(2)]
    for viewer in viewers:
        await viewer.watcher_ready()
        await viewer.watcher.frames(2)
        assert mean(viewer.watcher.last) < 60  # the card is dark
    await peer(http).whip("show", NumberedTrack())
    for viewer in viewers:
        await viewer.watcher.until(lambda watcher: spread(watcher.last) > 60)
    session = await (await http.get("/sessions/show")).json()
    assert session["viewers"] == 2 and session["publisher"]["role"] == "publisher"
    assert session["output"]["codecs"] == ["H264"]


async def test_a_second_video_section_is_declined(http, peer):
    viewer = peer(http)
    viewer.pc.addTransceiver("video", "recvonly")
    await viewer.whep("show")
    directions = [one.currentDirection for one in viewer.pc.getTransceivers()]
    assert directions == ["recvonly", "inactive"]


async def test_a_publisher_that_comes_back_resumes_the_session(server, peer):
    http = await server(session={"grace_s": 10})
    publisher = await peer(http).whip("show", NumberedTrack(), "?pipeline=gray")
    viewer = await peer(http).whep("show")
    await viewer.watcher_ready()
    await viewer.watcher.frames(5)
    assert await publisher.delete() == 200
    await wait_for_state(http, "show", "grace")
    await viewer.watcher.frames(3)
    await peer(http).whip("show", NumberedTrack())
    session = await wait_for_state(http, "show", "live")
    assert session["pipeline"] == "gray"
    await viewer.watcher.frames(30)
    assert viewer.pc.connectionState == "connected"


async def test_grace_ends_the_session(server, peer):
    http = await server(session={"grace_s": 0.3})
    publisher = await peer(http).whip("show", NumberedTrack())
    viewer = await peer(http).whep("show")
    await viewer.watcher_ready()
    await viewer.watcher.frames(3)
    await publisher.delete()
    await asyncio.wait_for(viewer.watcher.ended.wait(), 10)
    assert (await http.get("/sessions/show")).status == 404


async def test_the_newest_publisher_takes_over(http, peer):
    first = await peer(http).offer(NumberedTrack(), session="show")
    await first.control.ask(type="ping")
    await peer(http).whip("show", NumberedTrack())
    async with asyncio.timeout(10):
        while not first.control.pushed:
            await asyncio.sleep(0.02)
    assert first.control.pushed[0] == {"type": "ended", "reason": "another publisher took over"}
    await wait_for_state(http, "show", "live")


async def test_takeover_can_be_switched_off(server, peer):
    http = await server(session={"publisher_takeover": False})
    await peer(http).whip("show", NumberedTrack())
    with pytest.raises(AssertionError, match="publisher_present"):
        await peer(http).whip("show", NumberedTrack())


async def test_limits_answer_503(server, peer):
    http = await server(session={"max_viewers": 1, "max_sessions": 1})
    await peer(http).whep("show")
    with pytest.raises(AssertionError, match="limit_reached"):
        await peer(http).whep("show")
    reply = await http.post("/sessions", json={"name": "other"})
    assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0


async def test_trickle_etag_and_delete(http, peer):
    publisher = await peer(http).whip("show", NumberedTrack())
    kind = {"Content-Type": "application/trickle-ice-sdpfrag"}
    ufrag = next(x for x in publisher.pc.localDescription.sdp.splitlines() if "ice-ufrag" in x)
    good = (
        f"{ufrag}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host\r\na=end-of-candidates\r\n"
    )
    patch = lambda text, **headers: http.patch(
        publisher.resource, data=text, headers=kind | headers
    )
    assert (await patch(good)).status == 204
    assert (await patch(good, **{"If-Match": '"old"'})).status == 412
    assert (await patch(good, **{"If-Match": "*"})).status == 422
    assert (await patch(good.replace(ufrag, "a=ice-ufrag:new"))).status == 422
    assert (await patch("a=candidate:nonsense")).status == 422
    assert (await http.patch(publisher.resource, data=good)).status == 415
    assert (await http.delete(publisher.resource.replace("whip", "whep"))).status == 404
    assert (await http.get(publisher.resource)).status == 405
    assert await publisher.delete() == 200
    assert await publisher.delete() == 404


@pytest.mark.slow
async def test_fifty_sessions_leave_nothing_behind(http):
    process = psutil.Process()

    async def one(number: int) -> None:
        client = PeerClient(http)  # the fixture `peer` would keep them all
        await client.offer(
            NumberedTrack(width=160, height=120), session=f"s{number}", numbered=False
        )
        await client.watcher_ready()
        await client.watcher.frames(2)
        assert await client.delete() == 200
        await client.aclose()

    for number in range(20):
        await one(number)
    before = footprint(process)
    for number in range(50):
        await one(number)
    more = {name: count - before[name] for name, count in footprint(process).items()}
    # A pool's threads keep what they did last; fifty sessions that leak would be fifty more.
    assert {name: count for name, count in more.items() if count > 5} == {}
    assert (await (await http.get("/sessions")).json())["sessions"] == []


OWNERS = (
    Session,
    Peer,
    Lane,
    VideoEncoder,
    DecodeQueue,
    RtpWire,
    RtpSender,
    StageRunner,
    MediaFrame,
)
"""Whatever belongs to a session hangs on one of these."""


def footprint(process: psutil.Process) -> Counter[str]:
    """How many of each thing there are."""
    gc.collect()
    objects = Counter(type(one) for one in gc.get_objects())
    found = Counter({kind.__name__: objects[kind] for kind in (*OWNERS, RTCPeerConnection)})
    pools = ("infer-", "codec-", "asyncio_")  # bounded pools that live with the server
    found["threads"] = sum(not one.name.startswith(pools) for one in threading.enumerate())
    found["sockets"] = len(process.net_connections(kind="udp"))
    found["tasks"] = len(asyncio.all_tasks())
    return found
