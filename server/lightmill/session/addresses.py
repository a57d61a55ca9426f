"""The addresses of this machine that media may use, as ``rtc.interfaces`` and the like say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import ifaddr

from lightmill.config import RtcConfig

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
VERSIONS = {"any": (4, 6), "ipv4": (4,), "ipv6": (6,)}


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An address that can stand in a candidate, and the interface that has it."""

    interface: str
    host: str

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.host).version


def machine_addresses() -> list[LocalAddress]:
    """All addresses but IPv6 link-local ones: a candidate cannot carry their scope."""
    found: list[LocalAddress] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            # IPv6 comes as (address, flow label, scope id), and only link-local has a scope.
            if isinstance(ip.ip, str):
                found.append(LocalAddress(adapter.nice_name, ip.ip))
            elif ip.ip[2] == 0:
                found.append(LocalAddress(adapter.nice_name, ip.ip[0]))
    return found


def media_addresses(rtc: RtcConfig, machine: Iterable[LocalAddress]) -> list[str]:
    """Choose from the machine's addresses; IPv4 first, since some peers try only the first.

    Without ``rtc.interfaces`` loopback is left out, unless nothing else is there: a laptop
    without a network still reaches itself.
    """
    versions = VERSIONS[rtc.address_family]
    usable = [one for one in machine if one.version in versions]
    chosen = [one for one in usable if _selected(one, rtc.interfaces)]
    if not chosen and not any(not pattern.startswith("!") for pattern in rtc.interfaces):
        chosen = [one for one in usable if one.host in LOOPBACK.values()]
    chosen.sort(key=lambda one: one.version)
    return list(dict.fromkeys(one.host for one in chosen))


def _selected(one: LocalAddress, patterns: list[str]) -> bool:
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    if any(fnmatchcase(one.interface, pattern) for pattern in excluded):
        return False
    if wanted:
        return any(fnmatchcase(one.interface, pattern) for pattern in wanted)
    return not ipaddress.ip_address(one.host).is_loopback
