"""CPU per datagram: our shared socket beside asyncio's transport with aioice, and a process hop.

One process and run, microseconds of the process' CPU time, median of the rounds. Receiving is
measured from the kernel's queue to ``Connection.data_received``; sending down to the kernel.
"""

from __future__ import annotations

import asyncio
import os
import resource
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
N_PACED = 1000
PACE_S = 1 / 1000
"""Four streams of 2.5 Mbit/s have about 1000 datagrams a second."""


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


def forward(source: socket.socket, to_worker: socket.socket) -> None:
    """The life of a process that owns the port and hands each datagram to its worker."""

    async def run() -> None:
        done = asyncio.Event()

        def on_readable() -> None:
            data, addr = source.recvfrom(2048)
            to_worker.send(addr[1].to_bytes(2, "big") + data)
            if not data:
                done.set()

        asyncio.get_running_loop().add_reader(source, on_readable)
        await done.wait()

    asyncio.run(run())
    os._exit(0)


def through_owner(*, hop: bool) -> tuple[float, float]:
    """Latency in microseconds (median) of paced datagrams, and the owner's CPU microseconds each.

    Without the hop the datagram is read here, where the owner would hand it over to.
    """
    port, sender = udp(), udp()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    owner = 0
    if hop and (owner := os.fork()) == 0:
        forward(port, far)
    inbox = near if hop else port
    inbox.setblocking(True)
    taken = []
    for number in range(N_PACED + 1):
        time.sleep(PACE_S)
        started = time.perf_counter()
        sender.sendto(DATAGRAM if number < N_PACED else b"", port.getsockname())
        inbox.recv(2048)
        taken.append((time.perf_counter() - started) * 1e6)
    if hop:
        os.waitpid(owner, 0)
    for sock in (port, sender, near, far):
        sock.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return median(taken), cpu_s / N_PACED * 1e6


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


def paced() -> None:
    for name, hop in (("direct", False), ("through a process that owns the port", True)):
        latency_us, cpu_us = through_owner(hop=hop)
        print(f"  {name}: {latency_us:.0f} us, {cpu_us:.0f} us of CPU there")


if __name__ == "__main__":
    asyncio.run(main())
    print(f"{1 / PACE_S:.0f} datagrams a second, latency (median) and the owner's CPU, each")
    paced()
