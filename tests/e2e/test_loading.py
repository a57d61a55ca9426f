"""The page shows how far a pipeline's files are while Start waits for them."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.integration.test_artifacts import PLUGIN
from tests.unit.inference.artifacts.conftest import CONTENT, origin
from tests.unit.inference.artifacts.origin import Origin
from tests.unit.test_plugins import install

__all__ = ["origin"]  # a fixture

pytestmark = pytest.mark.e2e


@pytest.fixture
def thinking_server(tmp_path: Path, origin: Origin) -> Iterator[str]:
    """Run ``lightmill serve`` with a plug-in whose file the origin has; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    install(
        tmp_path, "mill_thinker", PLUGIN.format(url=origin.url, sha256=sha256, size=len(CONTENT))
    )
    settings = {"DIR": str(tmp_path / "cache"), "MIN_FREE_BYTES": "0"}
    environ = {f"LIGHTMILL_ARTIFACTS__{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [Path(sys.executable).parent / "lightmill", "serve", "--port", str(port)],
        env=os.environ | environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"is ready" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    origin.released.set()
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


async def test_a_bar_while_files_are_fetched_and_a_message_when_they_are_not(
    browser: Browser, thinking_server: str, origin: Origin
):
    context = await browser.new_context(permissions=["camera"])
    page = await context.new_page()
    await page.goto(thinking_server)
    await page.wait_for_selector("#pipeline option[value=thinker]", state="attached")
    await page.select_option("#pipeline", "thinker")
    await expect(page.locator("#loading")).to_be_hidden()
    origin.break_after = len(CONTENT) // 4
    await page.click("#start")
    await expect(page.locator("#messages")).to_contain_text("connection broke", timeout=20_000)
    await expect(page.locator("#start")).to_be_enabled()
    origin.hold_after = len(CONTENT) // 2
    await page.click("#start")
    label = page.locator("#loading label")
    await expect(label).to_have_text(
        re.compile(r"Fetching · weights\.bin · 0\.\d of 1\.0 MB"), timeout=20_000
    )
    bar = page.locator("#loading progress")
    share = await bar.evaluate("(bar) => bar.value / bar.max")
    assert 0.25 <= share < 0.95
    await page.click("#stop")
    await expect(page.locator("#messages")).to_contain_text("was ended", timeout=20_000)
    await expect(page.locator("#loading")).to_be_hidden()
    await expect(page.locator("#stop")).to_be_disabled()
    origin.released.set()
    await page.click("#start")
    await expect(page.locator("#state")).to_contain_text("Live", timeout=20_000)
    await context.close()
