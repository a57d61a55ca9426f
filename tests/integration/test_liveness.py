"""A peer that streams but answers no STUN (ffmpeg) stays; one that falls silent goes."""

from __future__ import annotations

import asyncio

from aioice import ice

from tests.integration.peers import NumberedTrack
from tests.integration.test_offer import wait_for_state


async def test_a_streaming_peer_that_answers_no_consent_check_stays(http, peer, monkeypatch):
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.1)
    camera = NumberedTrack()
    publisher = await peer(http).whip("show", camera)
    await wait_for_state(http, "show", "live")
    transport = publisher.pc.getTransceivers()[0].receiver.transport.transport
    connection = transport.iceGatherer._connection
    connection.request_received = lambda *_: None
    await asyncio.sleep(5)  # aioice gives up after 6 checks of 0.1 s, each waiting 0.5 s
    assert (await (await http.get("/sessions/show")).json())["state"] == "live"
    assert connection._nominated
    for protocol in connection._protocols:
        protocol.transport.close()  # the network is gone: no packet comes any more
    session = await wait_for_state(http, "show", "grace", timeout_s=30)
    assert session["publisher"] is None
