from __future__ import annotations

import subprocess
import sys


def logged(level: str, origin: str | None) -> list[str]:
    """What a fresh process writes to standard error; logging is set up once a process."""
    code = (
        "import logging\n"
        "from lightmill.logs import configure_logging\n"
        f"configure_logging({level!r}, {origin!r})\n"
        "logging.getLogger('lightmill.x').info('session %s', 'show')\n"
        "logging.getLogger('aioice').info('chatter')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stderr.splitlines()


def test_lines_name_the_worker_and_libraries_do_not_chatter():
    (line,) = logged("info", "worker 3")
    assert line.endswith("INFO worker 3 lightmill.x: session show")
    (line,) = logged("info", None)
    assert line.endswith("INFO lightmill.x: session show")
    assert logged("warning", "worker 3") == []
