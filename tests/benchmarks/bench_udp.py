"""CPU per datagram: our shared socket beside asyncio's transport with aioice, and a process hop.

One process and run, microseconds of the process' CPU time, median of the rounds. Receiving is
measured from the kernel's queue to ``Connection.data_received``; sending down to the kernel.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time

from aioice import Connection, ice

from lightmill.config import RtcConfig
from lightmill.session.aioice_seam import MuxedProtocol
from lightmill.session.udp_mux import UdpMux

DATAGRAM = b"\x80\x60" + bytes(1198)
N_DATAGRAMS = 2000
BURST = 50
HOP_BURST = 8
"""A Unix datagram socket holds ten (net.unix.max_dgram_qlen), and then blocks."""
ROUNDS = 9


class Counting(Connection):
    """Takes data as the receive path does, without a queue."""

    n_received = 0

    def data_received(self, data: bytes, component: int) -> None:
        self.n_received += 1


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


async def receiving(connection: Counting, target: tuple[str, int], source: socket.socket) -> float:
    """CPU microseconds for each datagram that is received; the sender's are not counted."""
    spent = 0.0
    for _ in range(N_DATAGRAMS // BURST):
        for _ in range(BURST):
            source.sendto(DATAGRAM, target)
        goal = connection.n_received + BURST
        started = time.process_time()
        while connection.n_received < goal:
            await asyncio.sleep(0)
        spent += time.process_time() - started
    return spent / N_DATAGRAMS * 1e6


def sending(transport: asyncio.DatagramTransport, sink: socket.socket) -> float:
    target, spent = sink.getsockname(), 0.0
    for _ in range(N_DATAGRAMS // BURST):
        started = time.process_time()
        for _ in range(BURST):
            transport.sendto(DATAGRAM, target)
        spent += time.process_time() - started
        drain(sink)
    return spent / N_DATAGRAMS * 1e6


def drain(sink: socket.socket) -> None:
    while True:
        try:
            sink.recv(2048)
        except BlockingIOError:
            return


def hop(send, receive) -> float:
    """CPU microseconds that one more process adds: a write here and a read there."""
    spent = 0.0
    for _ in range(N_DATAGRAMS // HOP_BURST):
        started = time.process_time()
        for _ in range(HOP_BURST):
            send(DATAGRAM)
        for _ in range(HOP_BURST):
            receive()
        spent += time.process_time() - started
    return spent / N_DATAGRAMS * 1e6


def udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


async def one_round() -> dict[str, float]:
    loop = asyncio.get_running_loop()
    peer = udp()
    stock = Counting(ice_controlling=False)
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: ice.StunProtocol(stock), ("127.0.0.1", 0)
    )
    protocol.local_candidate = ice.Candidate("x", 1, "udp", 1, "127.0.0.1", 1, "host")
    mux = UdpMux(RtcConfig(udp_port=0, interfaces=["lo"], address_family="ipv4"))
    shared = mux.refresh()[0]
    ours = Counting(ice_controlling=False)
    muxed = MuxedProtocol(ours, shared, 1)
    shared.learn(peer.getsockname(), muxed)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    read_end, write_end = os.pipe()
    figures = {
        "receive: asyncio and aioice": await receiving(
            stock, transport.get_extra_info("sockname"), peer
        ),
        "receive: shared socket": await receiving(ours, (shared.host, shared.port), peer),
        "send: asyncio transport": sending(transport, peer),
        "send: shared socket": sending(muxed.transport, peer),
        "hop: Unix datagrams": hop(near.send, lambda: far.recv(2048)),
        "hop: pipe": hop(
            lambda data: os.write(write_end, data), lambda: os.read(read_end, len(DATAGRAM))
        ),
    }
    muxed.transport.close()
    transport.close()
    mux.close()
    for sock in (peer, near, far):
        sock.close()
    os.close(read_end)
    os.close(write_end)
    return figures


async def main() -> None:
    rounds = [await one_round() for _ in range(ROUNDS)]
    print(f"{len(DATAGRAM)} bytes on loopback, CPU microseconds a datagram, median of {ROUNDS}")
    for name in rounds[0]:
        print(f"  {name}: {median([one[name] for one in rounds]):.1f}")


if __name__ == "__main__":
    asyncio.run(main())
