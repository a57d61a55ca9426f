from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from lightmill.config import RtcConfig
from lightmill.errors import ConfigError
from lightmill.session import udp_mux
from lightmill.session.addresses import LocalAddress
from lightmill.session.udp_mux import UdpMux


@pytest.fixture
def taken():
    """A port that another program has on every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        yield sock.getsockname()[1]


async def test_one_port_on_every_address():
    mux = UdpMux(RtcConfig(udp_port=0))
    mux.open()
    mux.open()
    assert mux.port and {shared.port for shared in mux.sockets} == {mux.port}
    assert [shared.host for shared in mux.sockets] == mux.addresses()
    mux.close()
    mux.close()
    assert mux.port is None and not mux.sockets


async def test_a_taken_port_that_was_asked_for_is_an_error(taken):
    with pytest.raises(ConfigError, match=rf"rtc\.udp_port {taken} is taken.*set 0"):
        UdpMux(RtcConfig(udp_port=taken)).open()


async def test_a_taken_default_port_is_replaced_with_a_warning(caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with suppress(OSError):  # someone else's server has it: as good
            sock.bind(("", 8189))
        mux = UdpMux(RtcConfig())
        mux.open()
        port = mux.port
        mux.close()
    assert port not in (None, 8189)
    assert f"UDP port 8189 is taken; media is on port {port}" in caplog.text


async def test_each_process_has_the_next_port(taken):
    with pytest.raises(ConfigError, match=f"{taken} is taken"):
        UdpMux(RtcConfig(udp_port=taken - 1), index=1).open()
    with pytest.raises(ConfigError, match="no port for process 3"):
        UdpMux(RtcConfig(udp_port=65_533), index=3).open()
    rtc = RtcConfig(advertise=["203.0.113.7", "203.0.113.8:9000", "[2001:db8::7]:9000"])
    assert UdpMux(rtc, index=2).advertised(8191) == [
        ("203.0.113.7", 8191),
        ("203.0.113.8", 9002),
        ("2001:db8::7", 9002),
    ]


async def test_no_such_interface_is_an_error():
    with pytest.raises(ConfigError, match=r"rtc\.interfaces.*this machine are .*lo"):
        UdpMux(RtcConfig(interfaces=["nosuch0"])).open()


async def test_addresses_that_come_and_go_are_followed(monkeypatch):
    machine = [LocalAddress("eth0", "127.0.0.1")]
    monkeypatch.setattr(udp_mux, "machine_addresses", lambda: machine)
    mux = UdpMux(RtcConfig(udp_port=0, interfaces=["eth*"]))
    first = mux.refresh()[0]
    machine.append(LocalAddress("eth1", "127.0.0.2"))
    assert [shared.host for shared in mux.refresh()] == ["127.0.0.1", "127.0.0.2"]
    assert {shared.port for shared in mux.sockets} == {mux.port}
    first.join("someone", someone := object())
    machine.pop(0)
    assert [shared.host for shared in mux.refresh()] == ["127.0.0.2"]
    assert first in mux.sockets  # still used
    first.leave("someone", someone)
    mux.refresh()
    assert first not in mux.sockets
    mux.close()


async def test_ephemeral_ports_open_nothing():
    mux = UdpMux(RtcConfig(ephemeral_ports=True))
    mux.open()
    assert mux.ephemeral and mux.port is None and mux.addresses()
    mux.close()
