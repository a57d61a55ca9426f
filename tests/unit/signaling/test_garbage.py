"""Whatever is sent, the answer is a 4xx with the JSON error, and the server lives."""

from __future__ import annotations

import random

import pytest
from aiohttp.test_utils import TestClient, TestServer

from lightmill.app import create_app
from lightmill.config import load_config
from lightmill.errors import InvalidDescription
from lightmill.session.host import PeerRole
from lightmill.signaling.sdp_text import check_offer

ROUTES = [
    ("POST", "/offer", "application/json"),
    ("PATCH", "/offer/x", "application/trickle-ice-sdpfrag"),
    ("POST", "/whip/show", "application/sdp"),
    ("POST", "/whep/show", "application/sdp"),
    ("PATCH", "/whip/show/x", "application/trickle-ice-sdpfrag"),
    ("DELETE", "/whip/show/x", ""),
    ("POST", "/sessions", "application/json"),
    ("PATCH", "/sessions/show", "application/json"),
    ("PATCH", "/sessions/show/settings", "application/json"),
    ("DELETE", "/sessions/show", ""),
    ("GET", "/sessions/show/snapshot.jpg", ""),
    ("GET", "/sessions/show/events", ""),
    ("GET", "/pipelines/none", ""),
    ("POST", "/presets", "application/json"),
    ("PUT", "/presets/x", "application/json"),
    ("PUT", "/presets/..%2fx", "application/json"),
    ("GET", "/presets/..%2f..%2fetc%2fpasswd", ""),
    ("DELETE", "/presets/..%2fx", ""),
    ("POST", "/sessions/show/preset", "application/json"),
    ("GET", "/watch/..%2fapp", ""),
    ("GET", "/static/..%2fpyproject.toml", ""),
    ("PUT", "/offer", ""),
]
OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 00
m=video 9 UDP/TLS/RTP/SAVPF 96
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=rtpmap:96 H264/90000
a=sendonly
"""


@pytest.fixture
async def http():
    client = TestClient(TestServer(create_app(load_config(environ={}))))
    await client.start_server()
    yield client
    await client.close()


@pytest.mark.parametrize(("method", "path", "kind"), ROUTES)
async def test_garbage_is_refused(http, method, path, kind):
    source = random.Random(path)
    bodies = [b"", b"{", b"[]", b'{"sdp": 1}', b'{"name": "../x"}', b"\xff\xfe", OFFER.encode()]
    bodies += [b'{"sdp": "v=0", "type": "offer"}', b'{"no_such": 1}', source.randbytes(300)]
    if path == "/sessions":
        bodies.remove(b"")  # every field is optional
    for body in bodies:
        for content_type in {kind, "text/plain"}:
            headers = {"Content-Type": content_type} if content_type else {}
            reply = await http.request(method, path, data=body, headers=headers)
            assert 400 <= reply.status < 500, (body, await reply.text())
            error = (await reply.json())["error"]
            assert error["message"] and error["code"]
    reply = await http.request(
        method, path, data=b"x" * 300_000, headers={"Content-Type": kind or "text/plain"}
    )
    assert 400 <= reply.status < 500
    assert (await (await http.get("/health")).json())["sessions"] == 0


@pytest.mark.parametrize(
    ("change", "role", "says"),
    [
        (("v=0", "x=0"), PeerRole.PUBLISHER, "must start with v=0"),
        (("m=video", "m=audio"), PeerRole.PUBLISHER, "no video section"),
        (("sendonly", "recvonly"), PeerRole.PUBLISHER, "does not send"),
        (("sendonly", "sendonly"), PeerRole.VIEWER, "does not receive"),
        (("H264", "AV1"), PeerRole.PUBLISHER, "offered: AV1"),
        (("a=ice-pwd", "a=x"), PeerRole.PUBLISHER, "ice-pwd"),
        (("a=fingerprint", "a=x"), PeerRole.PUBLISHER, "fingerprint"),
    ],
)
def test_an_offer_is_refused_with_the_remedy(change, role, says):
    check_offer(OFFER, PeerRole.PUBLISHER)
    check_offer(OFFER.replace("sendonly", "sendrecv"), role)
    with pytest.raises(InvalidDescription, match=says):
        check_offer(OFFER.replace(*change), role)


async def test_the_token_and_foreign_pages(http):
    assert (await http.get("/sessions", headers={"Host": "evil.example"})).status == 403
    assert (await http.get("/sessions", headers={"Origin": "https://evil.example"})).status == 403
    own = await http.get("/sessions", headers={"Origin": "http://localhost:3000"})
    assert own.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    assert (await http.options("/whip/show", headers=preflight)).status == 204
    assert (await http.options("/whip/show")).headers["Accept-Post"] == "application/sdp"


async def test_a_configured_token_is_wanted():
    app = create_app(load_config(environ={}, flags={"server": {"token": "secret"}}))
    async with TestClient(TestServer(app)) as http:
        missing = await http.get("/sessions")
        assert missing.status == 401 and missing.headers["WWW-Authenticate"] == "Bearer"
        wrong = await http.get("/sessions", headers={"Authorization": "Bearer no"})
        assert wrong.status == 403
        assert (
            await http.get("/sessions", headers={"Authorization": "Bearer secret"})
        ).status == 200
        assert (await http.get("/health")).status == 200
        assert (await http.get("/")).status == 200


async def test_ice_servers_are_handed_out():
    server = {"urls": ["turn:127.0.0.1:3478"], "username": "u", "credential": "c"}
    app = create_app(load_config(environ={}, flags={"rtc": {"ice_servers": [server]}}))
    async with TestClient(TestServer(app)) as http:
        assert (await (await http.get("/ice-servers")).json()) == {"iceServers": [server]}
