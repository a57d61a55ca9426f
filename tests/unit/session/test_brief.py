"""Long settings are left out and named, wherever they stand; nothing else changes."""

from __future__ import annotations

import json

from lightmill.session.brief import MAX_SETTING_CHARS, brief_session, brief_settings

LONG = "x" * (MAX_SETTING_CHARS + 1)


def stage(**settings):
    return {"id": "a", "settings": settings, "revision": 1}


def test_long_settings_are_left_out_of_every_stage_and_named():
    whole = {
        **stage(image=LONG, softness=0.5),
        "main": stage(image=LONG, softness=0.5),
        "preprocessors": [stage(cube=LONG[1:])],
        "postprocessors": [stage(points=[1000] * 1000, cube=LONG)],
    }
    before = json.dumps(whole)
    brief = brief_session(whole)
    assert brief["settings"] == brief["main"]["settings"] == {"softness": 0.5}
    assert brief["omitted"] == brief["main"]["omitted"] == ["image"]
    assert brief["preprocessors"] == whole["preprocessors"]
    assert brief["postprocessors"] == [{**stage(), "omitted": ["points", "cube"]}]
    assert json.dumps(whole) == before


def test_a_session_without_long_settings_stays_as_it_is():
    loading = {"settings": {}, "main": None, "preprocessors": [], "postprocessors": []}
    assert brief_session(loading) == loading
    assert brief_settings(stage(gain=1)) == stage(gain=1)
