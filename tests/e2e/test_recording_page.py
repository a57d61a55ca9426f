"""Recording and snapshots on the page, in a real browser."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from playwright.async_api import Page

from tests.e2e.test_page import start, until

pytestmark = pytest.mark.e2e


async def saved(page: Page, button: str) -> Path:
    async with page.expect_download() as download:
        await page.get_by_role("button", name=button).first.click()
    return Path(await (await download.value).path())


async def test_record_download_delete_and_snapshot(page: Page):
    await start(page, "passthrough")
    await page.get_by_role("button", name="Record", exact=True).click()
    await until(page, "document.querySelector('recording-panel output').textContent >= '00:02'")
    shot = await saved(page, "Snapshot of the source")
    assert shot.read_bytes()[:4] == b"\x89PNG"
    await page.get_by_role("button", name="Stop recording").click()
    await until(
        page, "document.querySelector('recording-panel li button:not([disabled])') !== null"
    )
    await page.locator("recording-panel summary").click()
    name = await page.locator("recording-panel li span").first.text_content()
    movie = await saved(page, f"Download: {name.split(' ')[0]}")
    with av.open(str(movie)) as container:
        assert len(list(container.decode(video=0))) > 20
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name=f"Delete: {name.split(' ')[0]}").click()
    file = name.split(" ")[0]
    await until(page, f"!document.querySelector('recording-panel').textContent.includes('{file}')")


async def test_chromium_plays_a_recording(page: Page, server: str):
    """The file as a video's source: size, length and sound track are understood."""
    await start(page, "passthrough")
    await page.get_by_role("button", name="Record", exact=True).click()
    await until(page, "document.querySelector('recording-panel output').textContent >= '00:02'")
    await page.get_by_role("button", name="Stop recording").click()
    await until(
        page, "document.querySelector('recording-panel li button:not([disabled])') !== null"
    )
    name = await page.locator("recording-panel li span").first.text_content()
    found = await page.evaluate(
        """async (path) => {
          const video = document.createElement("video");
          video.muted = true;
          video.src = path;
          document.body.append(video);
          await video.play();
          await new Promise((resolve) => video.addEventListener("ended", resolve));
          return [video.videoWidth, video.currentTime, video.duration, video.error];
        }""",
        f"/recordings/{name.split(' ')[0].removesuffix('.mp4')}",
    )
    print(found)
    width, ended_at, duration, error = found
    # The browser may still have sent a smaller picture when the file began.
    assert width in (480, 640) and error is None
    assert ended_at > 1.5 and abs(duration - ended_at) < 0.5
