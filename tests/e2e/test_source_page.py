"""A URL as the page's source: the server reads it, the page watches and steers."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from tests.e2e.test_page import until
from tests.integration.clips import write_clip

pytestmark = pytest.mark.e2e


async def test_a_url_is_shown_steered_and_stopped(page: Page, server: str, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 60)

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(clip)

    app = web.Application()
    app.router.add_get("/clip.mp4", file)
    async with TestServer(app) as files:
        await page.select_option("#source", "url")
        await page.click("#start")
        await until(page, "document.querySelector('#messages').textContent.includes('URL')")
        await page.fill("#url", "ftp://host/x")
        await page.click("#start")
        await until(
            page, "document.querySelector('#messages').textContent.includes('sources.schemes')"
        )
        await page.fill("#url", str(files.make_url("/clip.mp4")))
        await page.select_option("#pipeline", "color")
        await page.fill("#session", "from-url")
        await page.click("#start")
        await until(page, "document.querySelector('#output').videoWidth === 320")
        await until(page, "document.body.dataset.state === 'live'")
        reply = await page.request.get(f"{server}/sessions/from-url")
        session = await reply.json()
        assert session["publisher"]["role"] == "source" and session["pipeline"] == "color"
        await page.select_option("#pipeline", "edges")
        async with asyncio.timeout(20):
            while session["pipeline"] != "edges":
                session = await (await page.request.get(f"{server}/sessions/from-url")).json()
        await page.click("#stop")
        async with asyncio.timeout(20):
            while session["publisher"] is not None:
                session = await (await page.request.get(f"{server}/sessions/from-url")).json()
