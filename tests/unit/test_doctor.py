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


def test_the_cache_is_looked_at_and_not_made(tmp_path):
    def finding(folder, **artifacts):
        flags = {"artifacts": {"dir": str(folder)} | artifacts}
        found = examine(load_config(environ={}, flags=flags))
        return next(one for one in found if one.what == "Cache")

    assert finding(tmp_path / "a/b").ok and not (tmp_path / "a").exists()
    assert not finding(tmp_path, min_free_bytes=1 << 60).ok
    (tmp_path / "file").write_text("no directory")
    assert "cannot be written" in finding(tmp_path / "file/cache").found
