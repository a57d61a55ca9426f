"""The preset bar, used as a user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.e2e.scripts import MEAN
from tests.e2e.test_page import start, until

pytestmark = pytest.mark.e2e

BAR = "preset-bar"
OTHERS = {
    "lightmill_preset": 1,
    "name": "from afar",
    "made_by": "9.0.0",
    "chain": {"pipeline": "color", "settings": {"saturation": 0, "sparkle": 1}},
}


def content(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


async def test_save_change_load_and_the_picture_is_back(page: Page, tmp_path: Path):
    await start(page, "color")
    await until(page, f"({MEAN})().spread > 15")
    await page.get_by_label("Save what runs as").fill("my colours")
    await page.get_by_role("button", name="Save", exact=True).click()
    await until(page, f"document.querySelector('{BAR}').chosen === 'my colours'")
    file = tmp_path / "sent.json"
    file.write_text(json.dumps(OTHERS))
    await page.get_by_label("Import a file").set_input_files(file)
    await until(page, f"document.querySelector('{BAR}').chosen === 'from afar'")
    assert "chain.settings.sparkle" in await page.locator(f"{BAR} li").inner_text()
    await page.get_by_role("button", name="Load").click()
    await until(page, f"({MEAN})().spread < 6")
    slider = page.locator("#settings [data-field=saturation] input[type=range]")
    assert await slider.input_value() == "0"
    await page.get_by_label("Preset", exact=True).select_option("my colours")
    await page.get_by_role("button", name="Load").click()
    await until(page, f"({MEAN})().spread > 15")
    assert await slider.input_value() == "1"
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    exported = content(Path(await (await download.value).path()))
    assert (exported["name"], exported["chain"]["settings"]["saturation"]) == ("my colours", 1)


async def test_before_the_start_a_preset_fills_the_form(page: Page, tmp_path: Path):
    await until(page, f"document.querySelectorAll('{BAR} option').length > 1")
    await page.get_by_label("Preset", exact=True).select_option("edges:pencil")
    await page.get_by_role("button", name="Load").click()
    await until(page, "document.querySelector('#pipeline').value === 'edges'")
    assert await page.locator("#settings [data-field=style] select").input_value() == "ink"
    assert await page.get_by_role("button", name="Save", exact=True).is_disabled()
    stages = [{"pipeline": "gray", "settings": {"amount": 0.25}}]
    document = {**OTHERS, "name": "with a stage"}
    document["chain"] = {"pipeline": "edges", "preprocessors": stages}
    file = tmp_path / "stages.json"
    file.write_text(json.dumps(document))
    await page.get_by_label("Import a file").set_input_files(file)
    await until(page, f"document.querySelector('{BAR}').chosen === 'with a stage'")
    await page.get_by_role("button", name="Load").click()
    await until(page, "document.querySelectorAll('chain-editor li').length === 1")
    amount = page.locator("chain-editor [data-field=amount] input[type=range]")
    assert await amount.input_value() == "0.25"
    assert await page.locator("#settings [data-field=style] select").input_value() == "white"
