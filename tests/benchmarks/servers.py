"""The servers that the benchmarks compare, each a process of its own on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 60


@dataclass(frozen=True)
class Server:
    name: str
    base: str
    pid: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lightmill_command(*flags: str) -> list[str]:
    beside = Path(sys.executable).with_name("lightmill")
    return [str(beside if beside.exists() else shutil.which("lightmill")), "serve", *flags]


@contextmanager
def running(
    name: str, command: Sequence[str], base: str, environ: dict[str, str] | None = None
) -> Iterator[Server]:
    """Start ``command``, wait until ``base`` answers HTTP, end it afterwards."""
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL
    )
    try:
        wait_for_http(base, process)
        yield Server(name, base, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for_http(base: str, process: subprocess.Popen[bytes]) -> None:
    """Any answer will do, an error as well."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(base, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{base} did not start") from None
            time.sleep(0.2)


def lightmill(environ: dict[str, str] | None = None):
    port = free_port()
    command = lightmill_command("--port", str(port), "--log-level", "warning")
    return running("lightmill", command, f"http://127.0.0.1:{port}", environ)


def aiortc_example():
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("aiortc_example.py")), str(port)]
    return running("aiortc example", command, f"http://127.0.0.1:{port}")
