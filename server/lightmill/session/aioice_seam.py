"""Every place where Lightmill leans on an aioice internal (aioice 0.13); tests fail when one moves."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any

from aioice import Candidate, TransportPolicy, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.utils import random_string
from aiortc import RTCRtpTransceiver

from lightmill.session.shared_socket import Address, SharedSocket
from lightmill.session.udp_mux import UdpMux

logger = logging.getLogger(__name__)

UFRAG_CHARACTERS = 16
"""aioice makes 4; ours tell many connections apart, and must not be guessed (RFC 8445 section 5.3)."""


def share_port(transceivers: list[RTCRtpTransceiver], mux: UdpMux) -> None:
    """Gather candidates from ``mux`` for every ICE connection of these transceivers.

    Call it after the remote description is set and before the local one is made.
    """
    connections = {one.receiver.transport.transport.iceGatherer._connection for one in transceivers}  # pyright: ignore[reportPrivateUsage]
    for connection in connections:
        adopt(connection, mux)


def adopt(connection: ice.Connection, mux: UdpMux) -> None:
    """Give ``connection``, which has not gathered yet, the candidates of ``mux``."""
    internals: Any = connection
    for name in ("_local_username", "_protocols", "_transport_policy", "get_component_candidates"):
        if not hasattr(connection, name):
            raise AttributeError(f"aioice's Connection has no {name} any more; see aioice_seam")
    internals._local_username = random_string(UFRAG_CHARACTERS)
    internals.get_component_candidates = _Gathering(connection, mux).candidates


class _Gathering:
    """Stands in for ``Connection.get_component_candidates``."""

    def __init__(self, connection: ice.Connection, mux: UdpMux) -> None:
        self._connection: Any = connection
        self._mux = mux
        self._stock = connection.get_component_candidates

    async def candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Advertised addresses first: some peers (ffmpeg's WHIP) use the first candidate only."""
        if self._connection._transport_policy == TransportPolicy.RELAY:
            return await self._stock(component, [], timeout)
        if self._connection._closing:
            return []
        if self._mux.ephemeral:
            own = await self._stock(component, self._mux.addresses(), timeout)
            hosts = [one for one in own if one.type == "host"]
            return [*self._advertised(hosts), *own]
        protocols = [
            MuxedProtocol(self._connection, shared, component) for shared in self._mux.refresh()
        ]
        self._connection._protocols += protocols
        hosts = [protocol.local_candidate for protocol in protocols]
        # Without addresses the stock method only asks the TURN server, which has its own socket.
        relayed, reflexive = await asyncio.gather(
            self._stock(component, [], timeout),
            asyncio.gather(*(self._reflexive(protocol, timeout) for protocol in protocols)),
        )
        found = [*self._advertised(hosts), *hosts, *(one for one in reflexive if one), *relayed]
        return _distinct(found)

    def _advertised(self, hosts: list[Candidate]) -> list[Candidate]:
        """Host candidates with the addresses that a NAT in front of us maps to ours."""
        found: list[Candidate] = []
        for base in hosts:
            for host, port in self._mux.advertised(base.port):
                if (":" in host) == (":" in base.host):
                    found.append(host_candidate(base.component, host, port))
        return found

    async def _reflexive(self, protocol: MuxedProtocol, timeout: int) -> Candidate | None:
        """Ask the STUN server what address it sees; as aioice, for IPv4 only."""
        server = self._connection.stun_server
        if server is None or ":" in protocol.local_candidate.host:
            return None
        try:
            async with asyncio.timeout(timeout):
                candidate, _ = await ice.server_reflexive_candidate(protocol, server)
        except (TimeoutError, OSError, KeyError, stun.TransactionError) as error:
            logger.info("STUN server %s gave no address: %s", server[0], error or "no answer")
            return None
        return candidate


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    """The first of each transport address: without a NAT, STUN finds what is known already."""
    first: dict[Address, Candidate] = {}
    for one in candidates:
        first.setdefault((one.host, one.port), one)
    return list(first.values())


def host_candidate(component: int, host: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


class SharedTransport(asyncio.DatagramTransport):
    """What aioice, and our send path, take for the socket of one connection; closing it leaves."""

    def __init__(self, shared: SharedSocket, protocol: MuxedProtocol) -> None:
        super().__init__()
        self._shared = shared
        self._protocol = protocol
        self._closed = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send without waiting; never raises, ignored once closed."""
        if not self._closed and addr is not None:
            self._shared.sendto(data, addr)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._shared.host, self._shared.port) if name == "sockname" else default

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._protocol.leave()
            self._protocol.connection_lost(None)

    def abort(self) -> None:
        self.close()


class MuxedProtocol(ice.StunProtocol):
    """One connection at one local address; implements `shared_socket.Receiver`."""

    def __init__(self, connection: ice.Connection, shared: SharedSocket, component: int) -> None:
        super().__init__(connection)
        self._shared = shared
        self._component = component
        self._ufrag = connection.local_username
        self.local_candidate = host_candidate(component, shared.host, shared.port)
        self.connection_made(SharedTransport(shared, self))
        shared.join(self._ufrag, self)

    def leave(self) -> None:
        self._shared.leave(self._ufrag, self)

    def on_data(self, data: bytes) -> None:
        self.receiver.data_received(data, self._component)

    def on_request(self, data: bytes, addr: Address) -> None:
        """Answer a check; one with our password makes its address this connection's."""
        connection: Any = self.receiver
        message = _parsed(data)
        if message is None:
            return
        username = message.attributes.get("USERNAME", "")
        password = connection.local_password.encode()
        if connection._valid_username(username) and message.check_message_integrity(password):
            if "PRIORITY" not in message.attributes:  # aioice takes it for granted
                connection.respond_error(message, addr, self, (400, "Bad Request"))
                return
            self._shared.learn(addr, self)
        connection.request_received(message, addr, self)

    def on_response(self, data: bytes, addr: Address) -> None:
        message = _parsed(data)
        transaction = self.transactions.get(message.transaction_id) if message else None
        if message is None or transaction is None:
            return
        password = self.receiver.remote_password
        if password is not None and message.check_message_integrity(password.encode()):
            self._shared.learn(addr, self)
        transaction.response_received(message, addr)

    async def request(
        self,
        request: stun.Message,
        addr: Address,
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, Address]:
        table, transaction_id = self._shared.transactions, request.transaction_id
        table[transaction_id] = self
        try:
            return await super().request(request, addr, integrity_key, retransmissions)
        finally:
            table.pop(transaction_id, None)


def _parsed(data: bytes) -> stun.Message | None:
    try:
        return stun.parse_message(data)
    except (ValueError, struct.error) as error:
        logger.debug("malformed STUN message: %s", error)
        return None
