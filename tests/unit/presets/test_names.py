from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightmill.errors import InvalidInput
from lightmill.presets.names import checked_preset_name, is_built_in


@pytest.mark.parametrize(
    "name", ["a", "Evening stream", "v1.2 (late)", "夜の部屋", "Süße-Träume", "ตลาด"]
)
def test_what_people_call_things(name):
    assert checked_preset_name(name) == name
    assert not is_built_in(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "color:vivid", ".hidden", "x ", "x.", "a\nb", "\0"],
)
def test_what_is_no_file(name):
    with pytest.raises(InvalidInput) as refused:
        checked_preset_name(name)
    assert refused.value.fields[0].field == "name"


def test_length_is_counted_in_characters_and_in_bytes():
    assert checked_preset_name("x" * 64)
    assert checked_preset_name("é" * 64)
    for name in ("x" * 65, "夜" * 64 + "x", "🎥" * 60):
        with pytest.raises(InvalidInput):
            checked_preset_name(name)


def test_one_name_has_one_spelling():
    assert checked_preset_name("Cafe\u0301") == checked_preset_name("Café")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_an_accepted_name_is_one_path_component(name):
    try:
        accepted = checked_preset_name(name)
    except InvalidInput:
        return
    file = f"{accepted}.json"
    assert PurePosixPath("/d", file).parts == ("/", "d", file)
    assert PureWindowsPath("d", file).parts == ("d", file)
    assert len(file.encode()) <= 255
    assert checked_preset_name(accepted) == accepted
