"""Real ICE connections over one port: connect, move, take over, refuse, leave nothing behind."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aioice import Candidate, Connection, ice, stun
from hypothesis import given, settings
from hypothesis import strategies as st

from lightmill.config import RtcConfig
from lightmill.session.aioice_seam import UFRAG_CHARACTERS, adopt
from lightmill.session.udp_mux import UdpMux


def loopback(**rtc) -> UdpMux:
    return UdpMux(RtcConfig(udp_port=0, interfaces=["lo"], **rtc))


@pytest.fixture
async def mux():
    mux = loopback(address_family="ipv4")
    yield mux
    mux.close()


async def connected(mux: UdpMux, theirs: UdpMux) -> tuple[Connection, Connection]:
    """The server's end, controlled, and the client's."""
    server, client = Connection(ice_controlling=False), Connection(ice_controlling=True)
    adopt(server, mux)
    adopt(client, theirs)
    await asyncio.gather(server.gather_candidates(), client.gather_candidates())
    for one, other in ((server, client), (client, server)):
        one.remote_username, one.remote_password = other.local_username, other.local_password
        for candidate in other.local_candidates:
            await one.add_remote_candidate(candidate)
        await one.add_remote_candidate(None)
    async with asyncio.timeout(10):
        await asyncio.gather(server.connect(), client.connect())
    return server, client


def assert_empty(mux: UdpMux) -> None:
    for shared in mux.sockets:
        assert (shared.n_receivers, shared.n_addresses, shared.transactions) == (0, 0, {})


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_many_connections_share_one_socket_and_leave_nothing(family):
    mux, *others = (loopback(address_family=family) for _ in range(11))
    pairs = await asyncio.gather(*(connected(mux, other) for other in others))
    assert len(mux.sockets) == 1
    for number, (server, client) in enumerate(pairs):
        assert len(server.local_username) == UFRAG_CHARACTERS
        await server.send(b"\x80to%d" % number)
        await client.send(b"\x80from%d" % number)
    for number, (server, client) in enumerate(pairs):
        assert await client.recv() == b"\x80to%d" % number
        assert await server.recv() == b"\x80from%d" % number
    for server, client in pairs:
        await server.close()
        await client.close()
        await server.close()
    assert_empty(mux)
    for one in (mux, *others):
        one.close()


class RawPeer:
    """A client that is only a socket and STUN messages."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.addr = self.sock.getsockname()

    def check(self, connection: Connection, password: str | None = None, **changes) -> stun.Message:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLING"] = 1
        message.attributes |= changes
        for name in [name for name, value in changes.items() if value == "left out"]:
            del message.attributes[name]
        message.add_message_integrity((password or connection.local_password).encode())
        return message

    async def ask(self, message: stun.Message, server: tuple[str, int]) -> stun.Message:
        """Send a request and wait for its answer; anything else that comes is passed over."""
        self.sock.sendto(bytes(message), server)
        loop = asyncio.get_running_loop()
        while True:
            data, _ = await asyncio.wait_for(loop.sock_recvfrom(self.sock, 2048), 5)
            answer = stun.parse_message(data)
            if answer.transaction_id == message.transaction_id:
                return answer


@pytest.fixture
def raw():
    peer = RawPeer()
    yield peer
    peer.sock.close()


async def gathered(mux: UdpMux) -> Connection:
    connection = Connection(ice_controlling=False)
    adopt(connection, mux)
    await connection.gather_candidates()
    connection.remote_username, connection.remote_password = "raw0", "p" * 22
    return connection


async def test_only_an_authenticated_check_makes_an_address_known(mux, raw):
    connection = await gathered(mux)
    [shared] = mux.sockets
    server = (shared.host, shared.port)
    refused = await raw.ask(raw.check(connection, "w" * 22), server)
    assert refused.error_code == 401
    refused = await raw.ask(
        raw.check(connection, USERNAME=f"{connection.local_username}:x"), server
    )
    assert refused.error_code == 401
    refused = await raw.ask(raw.check(connection, PRIORITY="left out"), server)
    assert refused.error_code == 400
    assert shared.n_addresses == 0
    answer = await raw.ask(raw.check(connection), server)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == raw.addr
    assert answer.check_message_integrity(connection.local_password.encode())
    assert shared.n_addresses == 1
    await connection.close()
    assert_empty(mux)


async def test_an_address_passes_to_the_newest_authenticated_peer(mux, raw):
    old, new = await gathered(mux), await gathered(mux)
    got: dict[str, asyncio.Queue[bytes]] = {"old": asyncio.Queue(), "new": asyncio.Queue()}
    old.data_received = lambda data, component: got["old"].put_nowait(data)
    new.data_received = lambda data, component: got["new"].put_nowait(data)
    [shared] = mux.sockets
    server = (shared.host, shared.port)
    await raw.ask(raw.check(old), server)
    raw.sock.sendto(b"\x801", server)
    assert await asyncio.wait_for(got["old"].get(), 5) == b"\x801"
    await raw.ask(raw.check(new), server)
    await old.close()
    raw.sock.sendto(b"\x802", server)
    assert await asyncio.wait_for(got["new"].get(), 5) == b"\x802"
    assert got["old"].empty()
    await new.close()
    assert_empty(mux)


async def test_a_client_may_move_to_another_address(mux):
    theirs = loopback(address_family="ipv4")
    server, client = await connected(mux, theirs)
    before = server._nominated[1].remote_addr
    # The client's network changes: the same connection checks and nominates from a new socket.
    moved = ice.StunProtocol(client)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: moved, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    moved.local_candidate = Candidate("moved", 1, "udp", 1, "127.0.0.1", port, "host")
    client._protocols.append(moved)
    pair = ice.CandidatePair(moved, client.remote_candidates[0])
    client._check_list.append(pair)
    await client.check_start(pair)
    async with asyncio.timeout(5):
        while server._nominated[1].remote_addr == before:
            await asyncio.sleep(0.01)
    await client.send(b"\x80moved")
    assert await server.recv() == b"\x80moved"
    await server.send(b"\x80found")
    assert await client.recv() == b"\x80found"
    assert server._nominated[1].remote_addr == ("127.0.0.1", port)
    await asyncio.gather(server.close(), client.close())
    assert_empty(mux)
    theirs.close()


async def test_closed_connections_send_nothing(mux, raw):
    connection = await gathered(mux)
    protocol = connection._protocols[0]
    protocol.transport.sendto(b"\x80here", raw.addr)
    await connection.close()
    protocol.transport.sendto(b"\x80gone", raw.addr)
    assert protocol.transport.is_closing()
    assert raw.sock.recv(100) == b"\x80here"
    with pytest.raises(BlockingIOError):
        raw.sock.recv(100)


async def test_advertised_addresses_come_first_and_ephemeral_ports_keep_the_filter():
    for ephemeral in (False, True):
        mux = loopback(advertise=["203.0.113.7", "2001:db8::7"], ephemeral_ports=ephemeral)
        connection = await gathered(mux)
        hosts = [one.host for one in connection.local_candidates]
        ports = {one.host: one.port for one in connection.local_candidates}
        assert hosts == ["203.0.113.7", "2001:db8::7", "127.0.0.1", "::1"]
        assert ports["203.0.113.7"] == ports["127.0.0.1"] and ports["2001:db8::7"] == ports["::1"]
        assert {one.type for one in connection.local_candidates} == {"host"}
        await connection.close()
        mux.close()


async def test_a_stun_server_is_asked_through_the_shared_port(mux):
    class StunServer(asyncio.DatagramProtocol):
        """Answers every request as if a NAT were between."""

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            asked.append(addr)
            request = stun.parse_message(data)
            answer = stun.Message(
                request.message_method, stun.Class.RESPONSE, request.transaction_id
            )
            answer.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.9", 1234)
            self.transport.sendto(bytes(answer), addr)

    asked: list[tuple[str, int]] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, ("127.0.0.1", 0))
    connection = Connection(False, stun_server=transport.get_extra_info("sockname"))
    adopt(connection, mux)
    await connection.gather_candidates()
    assert asked == [("127.0.0.1", mux.port)]
    found = [(one.type, one.host, one.port) for one in connection.local_candidates]
    assert found == [("host", "127.0.0.1", mux.port), ("srflx", "203.0.113.9", 1234)]
    await connection.close()
    transport.close()
    assert_empty(mux)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_mutated_checks_never_raise(data):
    async def run() -> None:
        mux = loopback(address_family="ipv4")
        raw, connection = RawPeer(), await gathered(mux)
        try:
            mutate(raw, connection)
        finally:  # hypothesis gives up some examples in the middle of a draw
            await connection.close()
            raw.sock.close()
            mux.close()

    def mutate(raw: RawPeer, connection: Connection) -> None:
        genuine = bytearray(bytes(raw.check(connection)))
        for _ in range(data.draw(st.integers(1, 4))):
            position = data.draw(st.integers(8, len(genuine) - 1))
            genuine[position] = data.draw(st.integers(0, 255))
        length = data.draw(st.integers(20, len(genuine)))
        genuine[2:4] = (length - 20).to_bytes(2, "big")
        protocol = connection._protocols[0]
        for kind in (0x0001, 0x0101, 0x0111, 0x0011, 0x0FF1):
            genuine[:2] = kind.to_bytes(2, "big")
            protocol.on_request(bytes(genuine[:length]), raw.addr)
            protocol.on_response(bytes(genuine[:length]), raw.addr)

    asyncio.run(run())
