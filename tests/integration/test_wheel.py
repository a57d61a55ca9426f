"""The built wheel, installed elsewhere, starts and serves the page."""

from __future__ import annotations

import socket
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_serves_the_page(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        site,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = (
        f"import sys; sys.path[:0] = [{str(site)!r}, {sysconfig.get_path('purelib')!r}]; "
        f"from lightmill.cli import app; app(['serve', '--port', '{port}'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", start], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert f":{port}" in process.stdout.readline()
        for path, expected in [
            ("/", b"/static/js/main.js"),
            ("/watch/show", b"/static/js/watch.js"),
            ("/static/js/main.js", b"import"),
            ("/pipelines", b"passthrough"),
            ("/health", b'"ok"'),
        ]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
                assert expected in reply.read(), path
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()
