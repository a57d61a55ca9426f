"""A bad network between two namespaces, in this process' hands: delay, jitter, loss, rate and queue, changed live.

Two TUN devices are each moved into a namespace of their own; every IP packet that one side sends
is read here, and written to the other side when (and if) the impairment says so. Needs root and
Linux. As a program it takes one JSON object a line and ends, removing both namespaces, with its
input. As a library::

    with NetworkPath(Impairment(delay_ms=20, loss_percent=5)) as path:
        server = subprocess.Popen(path.inside("a", ["lightmill", "serve", "--host", path.ADDRESS_A]))
        path.set(rate_kbps=300, direction="a_to_b")
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

TUNSETIFF = 0x400454CA
"""ioctl that names a TUN device (linux/if_tun.h)."""
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
"""Whole IP packets without a header before them (linux/if_tun.h)."""
MTU_BYTES = 1500
BATCH = 64
"""Packets read from one side before the other gets its turn."""

Side = Literal["a", "b"]
DIRECTIONS = ("a_to_b", "b_to_a")


@dataclass(frozen=True, slots=True)
class Impairment:
    """What one direction does to its packets; ``rate_kbps`` 0 means no limit."""

    delay_ms: float = 0
    jitter_ms: float = 0
    loss_percent: float = 0
    rate_kbps: float = 0
    queue_kbytes: float = 64
    """What waits for the link at most; packets beyond it are dropped."""


class Direction:
    """When each packet of one direction arrives. Pure: clock and dice come from outside."""

    def __init__(self, impairment: Impairment, dice: random.Random) -> None:
        self.impairment = impairment
        self.counts = {"packets": 0, "bytes": 0, "lost": 0, "queue_full": 0}
        self._dice = dice
        self._link_free_at = 0.0
        self._arrives_at = 0.0

    def plan(self, size_bytes: int, now: float) -> float | None:
        """The arrival time of a packet sent ``now``, or None when it is lost. Keeps the order."""
        link = self.impairment
        self.counts["packets"] += 1
        self.counts["bytes"] += size_bytes
        if self._dice.random() * 100 < link.loss_percent:
            self.counts["lost"] += 1
            return None
        leaves_at = now
        if link.rate_kbps:
            bytes_per_s = link.rate_kbps * 125
            waits_s = max(0.0, self._link_free_at - now)
            if waits_s * bytes_per_s > link.queue_kbytes * 1024:
                self.counts["queue_full"] += 1
                return None
            leaves_at = self._link_free_at = now + waits_s + size_bytes / bytes_per_s
        jitter_ms = self._dice.uniform(-link.jitter_ms, link.jitter_ms)
        arrives_at = leaves_at + max(0.0, link.delay_ms + jitter_ms) / 1000
        self._arrives_at = max(self._arrives_at, arrives_at)
        return self._arrives_at


class NetworkPath:
    """The namespaces ``a`` and ``b`` and the process between them; leaving the context removes all."""

    ADDRESS_A, ADDRESS_B = "10.77.0.1", "10.77.0.2"

    def __init__(self, impairment: Impairment | None = None, *, seed: int = 1) -> None:
        self.namespaces = {"a": f"lm{os.getpid()}a", "b": f"lm{os.getpid()}b"}
        first = json.dumps({"seed": seed, **asdict(impairment or Impairment())})
        command = [sys.executable, str(Path(__file__).resolve()), *self.namespaces.values(), first]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._answer() != {"ready": True}:
            raise OSError("no namespaces; netem.py needs root, /dev/net/tun and iproute2")

    def __enter__(self) -> NetworkPath:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def inside(self, side: Side, command: Sequence[str]) -> list[str]:
        """``command`` as it must be started to live on that side."""
        return ["ip", "netns", "exec", self.namespaces[side], *command]

    def set(self, *, direction: str | None = None, **changes: float) -> None:
        """Change fields of `Impairment` from now on, in one direction or in both."""
        self._tell({"direction": direction, **changes})

    def report(self) -> dict[str, dict[str, int]]:
        """Packets, bytes, losses and overflows by direction, so far."""
        self._tell({"report": True})
        return self._answer()

    def close(self) -> None:
        """End the process, which removes the namespaces. What runs inside must have ended."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(10)

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None


def open_tun(namespace: str, address: str) -> int:
    """A new namespace with ``tun0`` in it; the descriptor carries its packets wherever it lives."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22s", b"lmtun%d", IFF_TUN | IFF_NO_PI, b"")
    named = fcntl.ioctl(device, TUNSETIFF, request)
    name = named[:16].rstrip(b"\0").decode()
    ip("netns", "add", namespace)
    ip("link", "set", name, "netns", namespace, "name", "tun0")
    for command in (
        "link set lo up",
        "link set tun0 addrgenmode none",
        f"address add {address}/30 dev tun0",
        f"link set tun0 up mtu {MTU_BYTES} txqueuelen 1000",
    ):
        ip("-n", namespace, *command.split())
    return device


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def remove_namespaces(*namespaces: str) -> None:
    """Remove those that are there."""
    for namespace in namespaces:
        subprocess.run(["ip", "netns", "del", namespace], check=False, stderr=subprocess.DEVNULL)


class Carrier:
    """Carries packets between the two devices, and takes orders from standard input."""

    def __init__(self, devices: tuple[int, int], impairment: Impairment, seed: int) -> None:
        self._devices = devices
        self._loop = asyncio.get_running_loop()
        self._directions = [Direction(impairment, random.Random(seed + i)) for i in (0, 1)]
        self.ended = asyncio.Event()
        for source in (0, 1):
            self._loop.add_reader(devices[source], self._read, source)
        self._loop.add_reader(sys.stdin.fileno(), self._take_order)

    def _read(self, source: int) -> None:
        for _ in range(BATCH):
            try:
                packet = os.read(self._devices[source], MTU_BYTES + 100)
            except BlockingIOError:
                return
            now = self._loop.time()
            arrives_at = self._directions[source].plan(len(packet), now)
            if arrives_at is None:
                continue
            if arrives_at <= now:
                self._write(1 - source, packet)
            else:
                self._loop.call_at(arrives_at, self._write, 1 - source, packet)

    def _write(self, side: int, packet: bytes) -> None:
        try:
            os.write(self._devices[side], packet)
        except OSError:  # the device's own queue is full, or the namespace is going away
            self._directions[1 - side].counts["queue_full"] += 1

    def _take_order(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self._loop.remove_reader(sys.stdin.fileno())
            self.ended.set()
            return
        order = json.loads(line)
        if order.pop("report", False):
            counts = [direction.counts for direction in self._directions]
            print(json.dumps(dict(zip(DIRECTIONS, counts, strict=True))), flush=True)
            return
        only = order.pop("direction", None)
        for name, direction in zip(DIRECTIONS, self._directions, strict=True):
            if only in (None, name):
                direction.impairment = replace(direction.impairment, **order)


async def carry(namespace_a: str, namespace_b: str, first: dict[str, Any]) -> None:
    seed = int(first.pop("seed", 1))
    known = {field.name for field in fields(Impairment)}
    impairment = Impairment(**{name: first[name] for name in known & first.keys()})
    opened: list[int] = []
    try:
        for namespace, address in (
            (namespace_a, NetworkPath.ADDRESS_A),
            (namespace_b, NetworkPath.ADDRESS_B),
        ):
            opened.append(open_tun(namespace, address))
        carrier = Carrier((opened[0], opened[1]), impairment, seed)
        print(json.dumps({"ready": True}), flush=True)
        await carrier.ended.wait()
    finally:
        for device in opened:
            os.close(device)
        remove_namespaces(namespace_a, namespace_b)


if __name__ == "__main__":
    asyncio.run(carry(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
