"""A worker dies under the page and the watch page; both say so and come back by themselves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.e2e.test_page import start, until

pytestmark = pytest.mark.e2e

NOTE_STATES = """() => {
  window.said = [];
  const line = document.querySelector("#state");
  const note = () => window.said.push(line.textContent);
  new MutationObserver(note).observe(line, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture
def workers_server() -> Iterator[str]:
    """Run ``lightmill serve`` with one worker; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [Path(sys.executable).parent / "lightmill", "serve", "--port", str(port)],
        env=os.environ | {"LIGHTMILL_SERVER__WORKERS": "1"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"is ready" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def ask(server: str, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server}{path}") as reply:
        return json.load(reply)


def worker_pid(server: str) -> int:
    return ask(server, "/health")["workers"][0]["pid"]


async def test_both_pages_come_back_after_their_worker_died(browser: Browser, workers_server: str):
    context = await browser.new_context(permissions=["camera"])
    page, watcher = await context.new_page(), await context.new_page()
    await page.goto(workers_server)
    await page.wait_for_selector("#pipeline option", state="attached")
    await page.fill("#session", "phoenix")
    await page.select_option("#codec", "vp8")
    await start(page, "gray")
    assert await page.is_disabled("#codec")
    await until(page, "document.querySelector('#state').textContent.includes('VP8')")
    await watcher.goto(f"{workers_server}/watch/phoenix")
    await until(watcher, "document.querySelector('#state').textContent.startsWith('Live')")
    for one in (page, watcher):
        await one.evaluate(NOTE_STATES)
    dead = worker_pid(workers_server)
    os.kill(dead, signal.SIGKILL)
    for one in (page, watcher):
        await until(one, "window.said.some((text) => text.includes('its worker process died'))")
        await until(one, "document.querySelector('#state').textContent.startsWith('Live')", 40)
    assert worker_pid(workers_server) != dead
    assert await page.input_value("#session") == "phoenix"
    session = ask(workers_server, "/sessions/phoenix")
    assert session["pipeline"] == "gray" and session["codec"] == "vp8"
    await context.close()
