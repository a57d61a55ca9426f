"""The one UDP port of this process: a shared socket on every local address that media may use."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter

from lightmill.config import RtcConfig
from lightmill.errors import ConfigError
from lightmill.session.addresses import machine_addresses, media_addresses
from lightmill.session.shared_socket import BUFFER_BYTES, SharedSocket

logger = logging.getLogger(__name__)

LAST_PORT = 65_535
PORT_TRIES = 16
"""Free ports tried until one is free on every address."""


class UdpMux:
    """Opened and closed by the host, used by every ICE connection of the process.

    ``index`` numbers the processes of one server: process ``n`` has ``rtc.udp_port + n``, and
    advertises the ports of ``rtc.advertise`` plus ``n``. With ``rtc.ephemeral_ports`` it opens
    nothing and only knows the addresses.
    """

    def __init__(self, rtc: RtcConfig, index: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        """Datagrams that did not get through, by reason; what got through is not counted."""
        self._rtc = rtc
        self._index = index
        self._sockets: dict[str, SharedSocket] = {}
        self._port: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def ephemeral(self) -> bool:
        """Whether each connection opens sockets of its own instead."""
        return self._rtc.ephemeral_ports

    @property
    def port(self) -> int | None:
        """The port in use; ``None`` before `bind` and with ``rtc.ephemeral_ports``."""
        return self._port

    @property
    def sockets(self) -> list[SharedSocket]:
        return list(self._sockets.values())

    def advertised(self, port: int) -> list[tuple[str, int]]:
        """``rtc.advertise`` as addresses and ports, for a local ``port``."""
        return [
            (one.host, port if one.port is None else one.port + self._index)
            for one in self._rtc.advertised()
        ]

    def addresses(self) -> list[str]:
        """The machine's addresses at this moment, as the configuration filters them."""
        return media_addresses(self._rtc, machine_addresses())

    def open(self) -> None:
        """Bind, and read in the running loop. Idempotent; `bind` says what it raises.

        Raises:
            ConfigError: the event loop cannot watch sockets (Windows' default loop).

        """
        if self._loop is not None or self.ephemeral:
            return
        self.bind()
        loop = asyncio.get_running_loop()
        try:
            for shared in self.sockets:
                shared.attach(loop)
        except NotImplementedError as error:
            self.close()
            raise ConfigError(
                "this event loop cannot share a UDP port; set rtc.ephemeral_ports = true"
            ) from error
        self._loop = loop
        hosts = ", ".join(self._sockets)
        logger.info("media on UDP port %s of %s", self._port, hosts)
        for host, port in self.advertised(self._port or 0):
            logger.info("media is advertised at %s port %d", host, port)

    def bind(self) -> None:
        """Take the port on every address. Idempotent.

        Raises:
            ConfigError: the configured port is taken or forbidden, or no interface matches.

        """
        if self._sockets or self.ephemeral:
            return
        hosts = self.addresses()
        if not hosts:
            raise ConfigError(self._no_address())
        wanted = self._rtc.udp_port + self._index if self._rtc.udp_port else 0
        if wanted == 0:
            self._bind_free(hosts)
            return
        if wanted > LAST_PORT:
            raise ConfigError(
                f"rtc.udp_port {self._rtc.udp_port} leaves no port for process {self._index}; "
                "choose a lower one"
            )
        try:
            self._bind_all(hosts, wanted)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or "udp_port" in self._rtc.model_fields_set:
                raise ConfigError(_unusable(wanted, error)) from error
            self._bind_free(hosts)
            logger.warning(
                "UDP port %d is taken; media is on port %s until the server stops",
                wanted,
                self._port,
            )

    def _bind_free(self, hosts: list[str]) -> None:
        """Let the system choose on the first address until its choice is free on all."""
        for last in (*[False] * (PORT_TRIES - 1), True):
            try:
                self._bind_all(hosts, 0)
                return
            except OSError as error:
                if last or error.errno != errno.EADDRINUSE:
                    raise ConfigError(_unusable(0, error)) from error

    def _bind_all(self, hosts: list[str], port: int) -> None:
        """Bind the same port on all ``hosts`` or none; a host that has just vanished is skipped."""
        try:
            for host in hosts:
                shared = self._bind_one(host, port)
                port = shared.port if shared is not None else port
        except OSError:
            self._close_sockets()
            raise
        if not self._sockets:
            raise OSError(errno.EADDRNOTAVAIL, "no local address can be used")
        self._port = port

    def _bind_one(self, host: str, port: int) -> SharedSocket | None:
        try:
            shared = SharedSocket(_bound(host, port), self.counts)
        except OSError as error:
            # An IPv6 address that is still being checked for duplicates is not there yet.
            if error.errno == errno.EADDRNOTAVAIL:
                return None
            raise
        self._sockets[host] = shared
        return shared

    def refresh(self) -> list[SharedSocket]:
        """Follow the machine's addresses, and return the sockets that candidates may name.

        New addresses get a socket, gone ones lose it once nobody uses it. Call it while open.
        """
        self.open()
        present = self.addresses()
        for host in present:
            if host not in self._sockets:
                self._add(host)
        for host, shared in list(self._sockets.items()):
            if host not in present and not shared.n_receivers:
                shared.close()
                del self._sockets[host]
        return [self._sockets[host] for host in present if host in self._sockets]

    def _add(self, host: str) -> None:
        try:
            shared = self._bind_one(host, self._port or 0)
        except OSError as error:
            logger.warning("media cannot use %s: %s", host, _unusable(self._port or 0, error))
            return
        if shared is not None and self._loop is not None:
            shared.attach(self._loop)
            logger.info("media on UDP port %s of %s too", self._port, host)

    def close(self) -> None:
        """Give the port back. Idempotent; the connections must have ended before."""
        self._close_sockets()
        self._port = self._loop = None

    def _close_sockets(self) -> None:
        for shared in self._sockets.values():
            shared.close()
        self._sockets.clear()

    def _no_address(self) -> str:
        names = ", ".join(sorted({one.interface for one in machine_addresses()}))
        return (
            "rtc.interfaces and rtc.address_family leave no address for media; "
            f"the interfaces of this machine are {names}"
        )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _unusable(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"rtc.udp_port {port} is taken by another program; "
            "stop it, choose another port, or set 0 to take a free one"
        )
    return f"rtc.udp_port {port} cannot be used: {error.strerror}; choose another port"
