from __future__ import annotations

import json
from pathlib import Path

import pytest

import lightmill
from lightmill.errors import Conflict, InvalidInput
from lightmill.presets.document import (
    Preset,
    encode_preset,
    new_preset,
    parse_preset,
    preset_of,
    preset_schema,
    read_preset,
)

SCHEMA = Path(__file__).parents[3] / "docs/preset.schema.json"
SESSION = {
    "name": "show",
    "pipeline": "color",
    "mode": "video",
    "settings": {"hue": 20.0},
    "preprocessors": [
        {
            "id": "a",
            "pipeline": "gray",
            "settings": {"amount": 0.5},
            "enabled": False,
            "error": None,
        }
    ],
    "postprocessors": [],
}


def test_the_published_schema_is_the_models():
    assert json.loads(SCHEMA.read_text()) == preset_schema()


def test_a_session_becomes_a_preset_without_its_state():
    document = preset_of(SESSION, "mine", "for the evening")
    assert Preset.model_validate(document).model_dump(exclude_none=True) == document
    assert (document["name"], document["made_by"]) == ("mine", lightmill.__version__)
    assert document["chain"]["settings"] == {"hue": 20.0}
    stage = {"id": "a", "pipeline": "gray", "settings": {"amount": 0.5}, "enabled": False}
    assert document["chain"]["preprocessors"] == [stage]
    assert parse_preset(encode_preset(document)) == document


def test_a_session_that_loads_cannot_be_saved():
    with pytest.raises(Conflict, match="still loads"):
        preset_of({**SESSION, "pipeline": None}, "mine")


def test_a_stage_without_an_id_gets_none():
    document = new_preset("x", {"pipeline": "gray", "preprocessors": [{"pipeline": "gray"}]})
    assert document["chain"]["preprocessors"] == [
        {"pipeline": "gray", "settings": {}, "enabled": True}
    ]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "lightmill_preset"),
        ({}, "lightmill_preset"),
        ({"lightmill_preset": True, "chain": {}}, "lightmill_preset"),
        ({"lightmill_preset": "1", "chain": {}}, "lightmill_preset"),
        ({"lightmill_preset": 0, "chain": {}}, "lightmill_preset"),
        ({"lightmill_preset": 1}, "chain"),
        ({"lightmill_preset": 1, "chain": []}, "chain"),
    ],
)
def test_what_is_no_preset_is_refused_by_name(value, field):
    with pytest.raises(InvalidInput) as refused:
        read_preset(value)
    assert [entry.field for entry in refused.value.fields] == [field]


def test_a_later_format_is_kept_whole():
    later = {"lightmill_preset": 7, "chain": {"loops": 3}, "mood": "blue"}
    assert read_preset(later) is later


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"chain": Infinity}', "[" * 100_000, b"\xff\xfe"]
)
def test_a_file_that_is_no_json_is_refused(text):
    with pytest.raises(InvalidInput, match="not JSON"):
        parse_preset(text)


def test_what_json_cannot_hold_is_not_written():
    with pytest.raises(InvalidInput, match="cannot be written"):
        encode_preset({"lightmill_preset": 1, "chain": {"settings": {"x": float("inf")}}})
