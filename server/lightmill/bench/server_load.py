"""CPU time and memory of the server under test, and of this client."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

import psutil

from lightmill.errors import BenchError


@dataclass(frozen=True, slots=True)
class Load:
    """CPU seconds per second over the window; memory at its end and at its height."""

    pid: int
    cpu: float
    rss_bytes: int
    rss_max_bytes: int


class LoadMeter:
    """One process and its children. Read from outside: costs the process nothing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise BenchError(f"no process {pid}; give --server-pid of a running server") from None
        self._rss_max = 0
        self._started_at, self._cpu = monotonic(), self._cpu_s()

    def start(self) -> None:
        """Begin the window."""
        self._rss_max = 0
        self._started_at, self._cpu = monotonic(), self._cpu_s()

    def sample(self) -> int:
        """Resident bytes now, also kept for the maximum."""
        rss = sum(process.memory_info().rss for process in self._family())
        self._rss_max = max(self._rss_max, rss)
        return rss

    def read(self) -> Load:
        """The load from `start` to now. Raises `BenchError` when the process is gone."""
        try:
            elapsed_s = monotonic() - self._started_at
            cpu = (self._cpu_s() - self._cpu) / elapsed_s if elapsed_s else 0.0
            return Load(self.pid, round(cpu, 4), self.sample(), self._rss_max)
        except psutil.NoSuchProcess:
            raise BenchError(f"the server (process {self.pid}) has ended") from None

    def _cpu_s(self) -> float:
        times = [process.cpu_times() for process in self._family()]
        return sum(time.user + time.system for time in times)

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def find_server(url: str) -> int | None:
    """The process that listens where ``url`` points, when that is this machine and it may be seen."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if not _is_local(parts.hostname or ""):
        return None
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr.port == port and connection.pid:
            return int(connection.pid)
    return None


def _is_local(host: str) -> bool:
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    own = {one.address for family in psutil.net_if_addrs().values() for one in family}
    return any(ipaddress.ip_address(at).is_loopback or at in own for at in addresses)
