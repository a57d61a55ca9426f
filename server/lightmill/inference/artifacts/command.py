"""Running a package's own downloader: watched, stopped with its fetch, never waited for in vain."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from lightmill.inference.artifacts.job import Job

WATCH_INTERVAL_S = 0.25


class CommandFailed(Exception):
    """It ended with an error or not in time; the message is the end of what it said."""


def run(arguments: Sequence[str], folder: Path, job: Job, watch: Callable[[str], None]) -> None:
    """Run in ``folder``, which also holds the command's temporary files, to the end.

    ``watch`` gets all that was said so far, every `WATCH_INTERVAL_S`.

    Raises:
        CommandFailed: it failed, or took longer than ``artifacts.package_timeout_s``.
        FileNotFoundError: there is no such command.
        Closed: the fetch was stopped; the command is ended too.

    """
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    limit_s = job.config.package_timeout_s
    deadline = monotonic() + limit_s
    try:
        with process:
            said = _wait(process, deadline, job, watch)
    except TimeoutError:
        raise CommandFailed(f"it did not end within {limit_s:g} s") from None
    if process.returncode != 0:
        raise CommandFailed(said.strip() or f"exit code {process.returncode}")


def _wait(
    process: subprocess.Popen[bytes], deadline: float, job: Job, watch: Callable[[str], None]
) -> str:
    try:
        while True:
            try:
                said, _ = process.communicate(timeout=WATCH_INTERVAL_S)
                return said.decode(errors="replace")
            except subprocess.TimeoutExpired as running:
                job.check()
                watch((running.output or b"").decode(errors="replace"))
            if monotonic() > deadline:
                raise TimeoutError
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


def size_of(folder: Path) -> int:
    """The bytes in all files of the folder; those that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
