"""The real command in its own process, and a real Chromium with a camera made for the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.scripts import KEEP_PEERS

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ``lightmill serve`` on a free port; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("server") / "log").open("w+")
    command = Path(sys.executable).parent / "lightmill"
    process = subprocess.Popen(
        [command, "serve", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"XDG_DATA_HOME": str(tmp_path_factory.mktemp("data"))},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    log.seek(0)
    assert f"http://127.0.0.1:{port}" in line, log.read()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()
    log.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a textured, moving, noisy picture, 640x480 at 30 fps, as Y4M."""
    path = tmp_path_factory.mktemp("clip") / "camera.y4m"
    random = np.random.default_rng(1)
    texture = random.integers(40, 200, (30, 40, 3), dtype=np.uint8).repeat(24, 0).repeat(24, 1)
    with av.open(str(path), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for index in range(60):
            shift = 80 + int(60 * np.sin(index * np.pi / 30))
            picture = texture[shift : shift + 480, shift : shift + 640].astype(np.int16)
            noisy = picture + random.integers(-6, 6, picture.shape, dtype=np.int16)
            frame = av.VideoFrame.from_ndarray(noisy.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path


@pytest.fixture
async def browser(clip: Path) -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need Chromium: sudo apt-get install chromium"
    async with async_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={clip}"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, server: str) -> AsyncIterator[Page]:
    """The page, open; errors in its console fail the test."""
    context = await browser.new_context(
        permissions=["camera"], viewport={"width": 1280, "height": 800}
    )
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.add_init_script(KEEP_PEERS)
    await page.goto(server)
    await page.wait_for_selector("#pipeline option", state="attached")
    yield page
    await context.close()
    assert problems == []
