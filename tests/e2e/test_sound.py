"""Sound in a real browser: the microphone goes in, the watch page plays it with the picture."""

from __future__ import annotations

import asyncio
from statistics import median

import pytest
from playwright.async_api import Browser

from tests.e2e.scripts import AUDIO_STATS, KEEP_PEERS, VIDEO_STATS
from tests.e2e.test_page import start, until

pytestmark = pytest.mark.e2e

HEARD = f"({AUDIO_STATS})().then((report) => report?.totalAudioEnergy > 0)"


async def test_the_microphone_is_heard_on_the_watch_page(browser: Browser, server: str):
    context = await browser.new_context(permissions=["camera", "microphone"])
    page, watcher = await context.new_page(), await context.new_page()
    for one in (page, watcher):
        await one.add_init_script(KEEP_PEERS)
    await page.goto(server)
    await page.wait_for_selector("#pipeline option", state="attached")
    await page.fill("#session", "spoken")
    await start(page, "passthrough")
    assert await page.is_hidden("#sound")
    await page.check("#microphone")
    await until(page, "!document.querySelector('#sound').hidden")

    await watcher.goto(f"{server}/watch/spoken")
    await until(watcher, "!document.querySelector('#sound').hidden")
    assert await watcher.evaluate("document.querySelector('#output').muted")
    await watcher.click("#sound")
    assert not await watcher.evaluate("document.querySelector('#output').muted")
    await until(watcher, HEARD)
    stereo = (
        "document.querySelector('#output').srcObject.getTracks().map((t) => t.kind).sort().join()"
    )
    assert await watcher.evaluate(stereo) == "audio,video"

    apart = []
    for _ in range(12):
        await asyncio.sleep(1)
        audio, video = await asyncio.gather(
            watcher.evaluate(AUDIO_STATS), watcher.evaluate(VIDEO_STATS)
        )
        if "estimatedPlayoutTimestamp" in audio and "estimatedPlayoutTimestamp" in video:
            shift = audio["timestamp"] - video["timestamp"]
            played = video["estimatedPlayoutTimestamp"] - audio["estimatedPlayoutTimestamp"]
            apart.append(round(played + shift, 1))
    print(f"sound after picture in Chromium: {apart} ms")
    assert abs(median(apart[-5:])) <= 80  # Chromium corrects nothing below 30 to 80 ms

    await page.uncheck("#microphone")
    await until(watcher, "document.querySelector('#sound').hidden")
    await page.click("#stop")
    await context.close()
