"""The codec that a session's peers are answered with: chosen when it is made, changed for later peers."""

from __future__ import annotations

import pytest

from tests.integration.peers import NumberedTrack


def codec_of(peer) -> str:
    """The first codec of the answer's video section."""
    lines = peer.pc.remoteDescription.sdp.splitlines()
    payload = next(line for line in lines if line.startswith("m=video")).split()[3]
    (name,) = [line for line in lines if line.startswith(f"a=rtpmap:{payload} ")]
    return name.split()[1].split("/")[0]


async def test_a_session_prefers_its_codec_and_later_peers_follow_a_change(http, peer):
    assert (await http.post("/sessions", json={"name": "show", "codec": "vp8"})).status == 201
    await peer(http).whip("show?codec=h264", NumberedTrack())  # it exists: its own codec counts
    first = await peer(http).whep("show")
    changed = await (await http.patch("/sessions/show", json={"codec": "h264"})).json()
    assert changed["codec"] == "h264" and changed["publisher"]["codec"] == "VP8"
    second = await peer(http).whep("show")
    assert (codec_of(first), codec_of(second)) == ("VP8", "H264")
    for viewer in (first, second):
        await viewer.watcher_ready()
        await viewer.watcher.frames(3)
    session = await (await http.get("/sessions/show")).json()
    assert sorted(session["output"]["codecs"]) == ["H264", "VP8"]


@pytest.mark.parametrize(("codec", "chosen"), [("auto", "H264"), ("h264", "H264"), ("vp8", "VP8")])
async def test_whoever_makes_the_session_chooses(http, peer, codec, chosen):
    client = await peer(http).offer(NumberedTrack(), session="offered", codec=codec)
    whip = await peer(http).whip(f"whipped?codec={codec}", NumberedTrack())
    whep = await peer(http).whep(f"watched?codec={codec}")
    assert [codec_of(one) for one in (client, whip, whep)] == [chosen] * 3


async def test_the_configuration_decides_where_nobody_chooses(server, peer):
    http = await server(media={"codec": "vp8"})
    assert codec_of(await peer(http).offer(NumberedTrack(), session="show")) == "VP8"
    assert codec_of(await peer(http).offer(NumberedTrack(), session="show", codec="h264")) == "H264"
    assert (await (await http.get("/sessions/show")).json())["codec"] == "h264"


async def test_a_codec_that_does_not_exist_is_named(http):
    sdp = {"Content-Type": "application/sdp"}
    for reply in (
        await http.post("/sessions", json={"codec": "av1"}),
        await http.patch("/sessions/show", json={"codec": "av1"}),
        await http.post("/offer", json={"sdp": "v=0", "type": "offer", "codec": "av1"}),
    ):
        assert reply.status == 422
        assert (await reply.json())["error"]["fields"][0]["field"] == "codec"
    offer = (
        "v=0\r\na=ice-ufrag:x\r\na=ice-pwd:x\r\na=fingerprint:x\r\n"
        "m=video 9 x 96\r\na=rtpmap:96 VP8/90000\r\n"
    )
    for endpoint in ("whip", "whep"):
        reply = await http.post(f"/{endpoint}/show?codec=av1", data=offer, headers=sdp)
        assert reply.status == 422
        assert (await reply.json())["error"]["fields"][0]["field"] == "codec"
