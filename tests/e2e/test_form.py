"""The drawn form against a schema with every kind of field, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.async_api import Page

from lightmill.pipelines.neural.images import picture_of

pytestmark = pytest.mark.e2e

FIXTURE = json.loads((Path(__file__).parents[1] / "web/every_field.json").read_text())
DRAW = """async ({ schema, defaults }) => {
  const { SettingsForm } = await import("/static/js/components/settings-form.js");
  const form = new SettingsForm();
  form.show({ config_schema: schema, modes: { video: { defaults } } }, "video");
  window.sent = {};
  form.addEventListener("setting", ({ detail }) => { window.sent[detail.name] = detail.value; });
  document.body.append(form);
  window.form = form;
}"""


async def test_every_kind_of_field_is_drawn_and_sends_typed_values(page: Page):
    await page.evaluate(DRAW, FIXTURE)
    fill = {
        "bounded": ("input[type=range]", "0.25", 0.25),
        "first": ("input[type=number]", "0.125", 0.125),
        "nullable_bounded": ("input[type=range]", "1.5", 1.5),
        "free": ("input[type=number]", "-2.75", -2.75),
        "negative": ("input[type=number]", "-7", -7),
        "negative_minimum": ("input[type=range]", "-10", -10),
        "stepped": ("input[type=range]", "24", 24),
        "text": ("input[type=text]", "bye", "bye"),
        "nullable_text": ("input[type=text]", "some", "some"),
        "numbers": ("textarea", "[4, 5]", [4, 5]),
        "lines": ("textarea", "one\ntwo", "one\ntwo"),
        "mapping": ("textarea", '{"a": 1.5}', {"a": 1.5}),
    }
    choose = {"literal": "b", "int_literal": 2, "enum": "sour", "int_enum": 2}
    choose |= {"nullable_enum": "sour", "nullable_literal": "b"}
    for name, (control, text, _) in fill.items():
        await page.locator(f"[data-field={name}] {control}").fill(text)
        await page.locator(f"[data-field={name}] {control}").blur()
    for name, value in choose.items():
        await page.locator(f"[data-field={name}] select").select_option(str(value))
    await page.locator("[data-field=toggle] input").uncheck()
    expected = {name: value for name, (_, _, value) in fill.items()} | choose | {"toggle": False}
    assert await page.evaluate("window.sent") == expected
    for name in ("nullable_bounded", "nullable_enum", "nullable_literal", "nullable_text"):
        await page.locator(f"[data-field={name}] .unset-label input").check()
        assert (await page.evaluate("window.sent"))[name] is None
    assert await page.locator("[data-field=only_text], [data-field=hidden]").count() == 0


async def test_wrong_values_stay_and_the_servers_word_is_shown(page: Page):
    await page.evaluate(DRAW, FIXTURE)
    number = page.locator("[data-field=first] input[type=number]")
    await number.fill("1")
    await number.blur()
    assert "Less than 1" in await page.locator("[data-field=first] .error").inner_text()
    assert await page.evaluate("window.sent") == {}
    assert await page.evaluate("form.refuse([{ field: 'numbers.0', message: 'too small' }])")
    assert await page.locator("[data-field=numbers] .error").inner_text() == "too small"
    await page.evaluate("form.confirm({ negative: -9, int_enum: 2, toggle: false })")
    assert await page.locator("[data-field=negative] input").input_value() == "-9"
    assert await page.locator("[data-field=int_enum] select").input_value() == "2"
    assert not await page.locator("[data-field=toggle] input").is_checked()


async def test_a_text_of_several_lines_may_come_from_a_file(page: Page):
    await page.evaluate(DRAW, FIXTURE)
    chooser = page.locator("[data-field=lines] input[type=file]")
    assert await chooser.get_attribute("accept") == ".txt"
    for text in ("red\ngreen\n", "blue\n"):
        file = {"name": "colours.txt", "mimeType": "text/plain", "buffer": text.encode()}
        await chooser.set_input_files(file)
        await page.wait_for_function("text => window.sent.lines === text", arg=text)
    assert await page.locator("[data-field=lines] textarea").input_value() == "blue\n"
    long = {"name": "long.txt", "mimeType": "text/plain", "buffer": b"x" * 100}
    await chooser.set_input_files(long)
    error = page.locator("[data-field=lines] .error", has_text="At most 99 characters")
    await error.wait_for()
    assert await page.evaluate("window.sent.lines") == "blue\n"


async def test_a_large_picture_from_a_file_is_scaled_until_it_fits(page: Page):
    ui = {"category": "configuration", "file": "image/png,image/jpeg", "multiline": True}
    picture = {"type": "string", "default": "", "maxLength": 20000, "ui": ui}
    await page.evaluate(DRAW, {"schema": {"properties": {"picture": picture}}, "defaults": {}})
    noise = np.random.default_rng(2).integers(0, 128, (1200, 1600, 3), dtype=np.uint8)
    noise[:, 800:, 2] += 127  # OpenCV's order: the right half is redder
    chooser = page.locator("[data-field=picture] input[type=file]")
    png = {"name": "beach.png", "mimeType": "image/png"}
    await chooser.set_input_files({**png, "buffer": cv2.imencode(".png", noise)[1].tobytes()})
    await page.wait_for_function("() => window.sent.picture")
    url = await page.evaluate("window.sent.picture")
    assert len(url) <= 20000
    made = picture_of(url)
    assert abs(made.shape[1] / made.shape[0] - 4 / 3) < 0.05
    middle = made.shape[1] // 2
    assert made[:, middle:, 0].mean() > made[:, :middle, 0].mean() + 90
    await chooser.set_input_files({**png, "buffer": b"no picture"})
    error = page.locator("[data-field=picture] .error", has_text="beach.png cannot be read")
    await error.wait_for()
    assert await page.evaluate("window.sent.picture") == url
