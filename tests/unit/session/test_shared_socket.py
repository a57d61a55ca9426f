"""Which datagram goes to whom, on a real socket, with the messages of a real STUN library."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from lightmill.session import shared_socket
from lightmill.session.shared_socket import ADDRESSES_PER_CONNECTION, SharedSocket, local_ufrag

RTP = b"\x80\x60" + bytes(30)


class Recorder:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.requests: list[tuple[str, int]] = []
        self.responses: list[bytes] = []

    def on_data(self, data):
        if data == b"\x80boom":
            raise RuntimeError("a broken connection")
        self.data.append(data)

    def on_request(self, data, addr):
        self.requests.append(addr)

    def on_response(self, data, addr):
        self.responses.append(data[8:20])


def udp(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


@pytest.fixture(params=["127.0.0.1", "::1"])
async def ends(request):
    """A shared socket that is read, and a peer's socket."""
    shared, peer = SharedSocket(udp(request.param), Counter()), udp(request.param)
    shared.attach(asyncio.get_running_loop())
    yield shared, peer
    shared.close()
    shared.close()
    peer.close()


async def send(shared: SharedSocket, peer: socket.socket, *datagrams: bytes) -> None:
    """Send, and wait until all of them were read: the last is one that is counted as unknown."""
    expected = shared._counts["unknown"] + 1
    for data in datagrams:
        peer.sendto(data, (shared.host, shared.port))
    marker = udp(shared.host)
    marker.sendto(b"", (shared.host, shared.port))
    marker.close()
    async with asyncio.timeout(5):
        while shared._counts["unknown"] < expected + unknown_in(datagrams):
            await asyncio.sleep(0)


def unknown_in(datagrams) -> int:
    return sum(getattr(data, "unknown", False) for data in datagrams)


class Unknown(bytes):
    """A datagram that nobody should get."""

    unknown = True


def request(ufrag: str, method=stun.Method.BINDING) -> bytes:
    message = stun.Message(method, stun.Class.REQUEST)
    message.attributes["PRIORITY"] = 1
    message.attributes["USERNAME"] = f"{ufrag}:remote"
    message.add_message_integrity(b"x" * 22)
    return bytes(message)


async def test_requests_go_by_name_and_data_by_learnt_address(ends):
    shared, peer = ends
    one, two = Recorder(), Recorder()
    shared.join("one", one)
    shared.join("two", two)
    source = peer.getsockname()[:2]
    await send(shared, peer, request("two"), Unknown(request("three")), Unknown(RTP))
    assert two.requests == [source] and not one.requests and not two.data
    shared.learn(source, two)
    await send(shared, peer, RTP)
    assert two.data == [RTP]
    shared.learn(source, one)  # the same address and port, another peer: the newest wins
    await send(shared, peer, RTP)
    assert (one.data, two.data) == ([RTP], [RTP])
    shared.leave("two", two)
    shared.leave("two", two)
    await send(shared, peer, RTP, Unknown(request("two")))
    assert one.data == [RTP, RTP]
    shared.leave("one", one)
    await send(shared, peer, Unknown(RTP))
    assert (shared.n_receivers, shared.n_addresses) == (0, 0)
    shared.learn(source, one)  # too late: it has left
    assert shared.n_addresses == 0


async def test_responses_go_by_transaction(ends):
    shared, peer = ends
    one = Recorder()
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
    refusal = stun.Message(stun.Method.BINDING, stun.Class.ERROR)
    shared.transactions |= {answer.transaction_id: one, refusal.transaction_id: one}
    stray = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
    await send(shared, peer, bytes(answer), bytes(refusal), Unknown(bytes(stray)))
    assert one.responses == [answer.transaction_id, refusal.transaction_id]


async def test_a_connection_that_raises_does_not_stop_the_others(ends, caplog):
    shared, peer = ends
    broken, sound = Recorder(), Recorder()
    shared.join("broken", broken)
    shared.join("sound", sound)
    shared.learn(peer.getsockname()[:2], broken)
    await send(shared, peer, b"\x80boom", b"\x80boom", request("sound"))
    assert len(sound.requests) == 1
    assert shared._counts["failed"] == 2
    assert caplog.text.count("could not be handled") == 1  # logged once a second


async def test_sending_never_raises(ends):
    shared, peer = ends
    shared.sendto(RTP, peer.getsockname()[:2])
    assert peer.recvfrom(100)[0] == RTP
    shared.sendto(bytes(70_000), peer.getsockname()[:2])
    shared.sendto(RTP, ("192.0.2.1" if shared.version == 6 else "2001:db8::1", 9))
    assert shared._counts["send_failed"] == 2


def test_the_addresses_of_one_connection_are_bounded():
    shared, one = SharedSocket(udp(), Counter()), Recorder()
    shared.join("one", one)
    for port in range(1, 3 * ADDRESSES_PER_CONNECTION):
        shared.learn(("192.0.2.1", 1), one)  # checked again and again: it stays
        shared.learn(("192.0.2.9", port), one)
    assert shared.n_addresses == ADDRESSES_PER_CONNECTION
    assert ("192.0.2.1", 1) in shared._by_address
    shared.leave("one", one)
    assert shared.n_addresses == 0
    shared.close()


@given(st.binary(max_size=200))
def test_any_bytes_have_a_fragment_or_none(data):
    assert isinstance(local_ufrag(data), bytes)


@given(st.text("abcdefgh0123456789+/", min_size=4, max_size=256))
def test_the_fragment_of_a_real_request_is_found(ufrag):
    assert local_ufrag(request(ufrag)) == ufrag.encode()


@given(st.lists(st.binary(max_size=60) | st.just(RTP), max_size=20))
def test_garbage_never_reaches_a_connection(datagrams):
    shared, one = SharedSocket(udp(), Counter()), Recorder()
    shared.join("one", one)
    for data in datagrams:
        for head in (b"", b"\x00\x01\x00\x00" + shared_socket.STUN_COOKIE):
            shared._dispatch(head + data, ("192.0.2.1", 5))
    shared.close()
    assert not (one.data or one.requests or one.responses)
    assert shared._counts["unknown"] == 2 * len(datagrams)
