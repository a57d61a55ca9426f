from __future__ import annotations

import pytest

from lightmill.config import RtcConfig
from lightmill.session.addresses import LocalAddress, machine_addresses, media_addresses

MACHINE = [
    LocalAddress("lo", "127.0.0.1"),
    LocalAddress("lo", "::1"),
    LocalAddress("eth0", "2001:db8::5"),
    LocalAddress("eth0", "192.0.2.5"),
    LocalAddress("wlan0", "198.51.100.5"),
    LocalAddress("docker0", "172.17.0.1"),
]
OFFLINE = MACHINE[:2]


@pytest.mark.parametrize(
    ("rtc", "expected"),
    [
        ({}, ["192.0.2.5", "198.51.100.5", "172.17.0.1", "2001:db8::5"]),
        ({"address_family": "ipv4"}, ["192.0.2.5", "198.51.100.5", "172.17.0.1"]),
        ({"address_family": "ipv6"}, ["2001:db8::5"]),
        ({"interfaces": ["!docker*"]}, ["192.0.2.5", "198.51.100.5", "2001:db8::5"]),
        ({"interfaces": ["wl*", "eth0", "!eth0"]}, ["198.51.100.5"]),
        ({"interfaces": ["lo"], "address_family": "ipv6"}, ["::1"]),
        ({"interfaces": ["wlan1"]}, []),
    ],
)
def test_interfaces_and_family_choose_ipv4_first(rtc, expected):
    assert media_addresses(RtcConfig(**rtc), MACHINE) == expected


def test_without_a_network_loopback_is_used_unless_an_interface_was_asked_for():
    assert media_addresses(RtcConfig(), OFFLINE) == ["127.0.0.1", "::1"]
    assert media_addresses(RtcConfig(interfaces=["!docker*"]), OFFLINE) == ["127.0.0.1", "::1"]
    assert media_addresses(RtcConfig(interfaces=["eth0"]), OFFLINE) == []


def test_this_machine_has_loopback_and_no_scoped_address():
    found = machine_addresses()
    assert LocalAddress("lo", "127.0.0.1") in found
    assert not any(one.host.startswith("fe80") for one in found)
