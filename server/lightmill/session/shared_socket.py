"""One UDP socket that many ICE connections share, and the tables that tell them apart.

A STUN request names its connection by the username fragment (RFC 8445 section 7.3), a STUN
response by the transaction that it answers; everything else belongs to the connection that
last authenticated the address it comes from.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter, OrderedDict
from time import monotonic
from typing import Protocol

from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

Address = tuple[str, int]

MAX_DATAGRAM_BYTES = 2048
"""Peers keep to an Ethernet frame of 1500; what is longer is cut, and fails its authentication."""
BATCH = 64
"""Datagrams read in one wake-up, so that a flood on one socket leaves the loop to others."""
BUFFER_BYTES = 4 << 20
"""Kernel buffers, best effort: about a second of 30 Mbit/s while the loop is busy elsewhere."""
ADDRESSES_PER_CONNECTION = 16
"""Addresses that one connection may have; the one that was checked longest ago goes first."""
STUN_HEADER_BYTES = 20
STUN_COOKIE = b"\x21\x12\xa4\x42"
STUN_LAST_FIRST_BYTE = 3
"""First bytes 0 to 3 are STUN, all others DTLS, RTP and RTCP (RFC 7983 section 7)."""
CLASS_MASK = 0x0110
REQUEST, RESPONSE, ERROR = 0x0000, 0x0100, 0x0110
USERNAME = 0x0006


class Receiver(Protocol):
    """One ICE connection at one local address."""

    def on_data(self, data: bytes) -> None: ...

    def on_request(self, data: bytes, addr: Address) -> None: ...

    def on_response(self, data: bytes, addr: Address) -> None: ...


class SharedSocket:
    """Reads ``sock`` while attached, and owns it; ``counts`` says what became of the datagrams."""

    def __init__(self, sock: socket.socket, counts: Counter[str]) -> None:
        self.host: str = sock.getsockname()[0]
        self.port: int = sock.getsockname()[1]
        self.version = 4 if sock.family == socket.AF_INET else 6
        self.transactions: dict[bytes, Receiver] = {}
        """Receivers by the ids of the STUN requests that they wait on."""
        self._sock = sock
        self._counts = counts
        self._by_ufrag: dict[bytes, Receiver] = {}
        self._by_address: dict[Address, Receiver] = {}
        self._addresses: dict[Receiver, OrderedDict[Address, None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._strangers = Throttle()
        self._failures = Throttle()

    @property
    def n_receivers(self) -> int:
        return len(self._addresses)

    @property
    def n_addresses(self) -> int:
        return len(self._by_address)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to read. Raises `NotImplementedError` where the loop cannot watch sockets."""
        loop.add_reader(self._sock.fileno(), self._on_readable)
        self._loop = loop

    def close(self) -> None:
        """Stop reading and give the port back. Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop = None
        self._sock.close()

    def join(self, ufrag: str, receiver: Receiver) -> None:
        """Hand STUN requests for ``ufrag`` to ``receiver`` until it leaves."""
        self._by_ufrag[ufrag.encode()] = receiver
        self._addresses[receiver] = OrderedDict()

    def learn(self, addr: Address, receiver: Receiver) -> None:
        """Hand what comes from ``addr`` to ``receiver``; call it for authenticated peers only.

        The newest wins: behind one NAT an address and port may pass from one peer to another.
        """
        known = self._addresses.get(receiver)
        if known is None:
            return
        known[addr] = None
        known.move_to_end(addr)
        self._by_address[addr] = receiver
        if len(known) > ADDRESSES_PER_CONNECTION:
            self._forget(known.popitem(last=False)[0], receiver)

    def leave(self, ufrag: str, receiver: Receiver) -> None:
        """Forget ``receiver`` and its addresses. Idempotent."""
        for addr in self._addresses.pop(receiver, ()):
            self._forget(addr, receiver)
        if self._by_ufrag.get(ufrag.encode()) is receiver:
            del self._by_ufrag[ufrag.encode()]

    def _forget(self, addr: Address, receiver: Receiver) -> None:
        if self._by_address.get(addr) is receiver:
            del self._by_address[addr]

    def sendto(self, data: bytes, addr: Address) -> None:
        """Send now or never: a full socket drops, an unreachable peer is counted; nothing raises."""
        try:
            self._sock.sendto(data, addr)
        except BlockingIOError:
            self._counts["send_full"] += 1
        except OSError:
            self._counts["send_failed"] += 1

    def _on_readable(self) -> None:
        receive = self._sock.recvfrom
        for _ in range(BATCH):
            try:
                data, source = receive(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self._counts["receive_failed"] += 1
                return
            # IPv6 sources are (address, port, flow label, scope id).
            addr: Address = source if self.version == 4 else source[:2]
            try:
                self._dispatch(data, addr)
            except Exception:
                # A session's wall: one peer's datagram must not end the others' reading.
                self._counts["failed"] += 1
                if self._failures.ready(monotonic()):
                    logger.exception("a datagram from %s could not be handled", addr)

    def _dispatch(self, data: bytes, addr: Address) -> None:
        if data and data[0] > STUN_LAST_FIRST_BYTE:
            receiver = self._by_address.get(addr)
            if receiver is not None:
                receiver.on_data(data)
                return
        elif len(data) >= STUN_HEADER_BYTES and data[4:8] == STUN_COOKIE:
            if self._dispatch_stun(data, addr):
                return
        self._counts["unknown"] += 1
        if self._strangers.ready(monotonic()):
            logger.debug("port %d: %d unknown datagrams dropped", self.port, self._strangers.count)

    def _dispatch_stun(self, data: bytes, addr: Address) -> bool:
        message_class = int.from_bytes(data[:2]) & CLASS_MASK
        if message_class == REQUEST:
            receiver = self._by_ufrag.get(local_ufrag(data))
            if receiver is not None:
                receiver.on_request(data, addr)
        elif message_class in (RESPONSE, ERROR):
            receiver = self.transactions.get(data[8:STUN_HEADER_BYTES])
            if receiver is not None:
                receiver.on_response(data, addr)
        else:  # an indication: a keepalive that wants no answer
            receiver = self._by_address.get(addr)
        return receiver is not None


def local_ufrag(data: bytes) -> bytes:
    """The receiving side's fragment in a STUN request's USERNAME; empty when there is none.

    USERNAME is "receiver:sender" (RFC 8445 section 7.2.2). Any bytes may be passed.
    """
    position = STUN_HEADER_BYTES
    while position + 4 <= len(data):
        kind = int.from_bytes(data[position : position + 2])
        length = int.from_bytes(data[position + 2 : position + 4])
        if kind == USERNAME:
            return data[position + 4 : position + 4 + length].partition(b":")[0]
        position += 4 + length + -length % 4  # values are padded to 4 bytes
    return b""
