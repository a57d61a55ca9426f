from __future__ import annotations

import socket

from lightmill.config import load_config
from lightmill.doctor import examine


def udp_finding(**rtc):
    return next(
        one
        for one in examine(load_config(environ={}, flags={"rtc": rtc}))
        if one.what.startswith("UDP")
    )


def test_the_media_port_is_tried():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))
        taken = sock.getsockname()[1]
        finding = udp_finding(udp_port=taken)
        assert finding.broken and "is taken" in finding.found
    assert "free on " in udp_finding(udp_port=taken).found
    assert not udp_finding(ephemeral_ports=True).broken
    assert "no address" in udp_finding(interfaces=["nosuch0"]).found
