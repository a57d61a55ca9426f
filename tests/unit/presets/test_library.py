from __future__ import annotations

import json

import pytest

from lightmill.config import PresetsConfig
from lightmill.errors import InvalidInput, PresetNotFound
from lightmill.pipelines.registry import build_registry
from lightmill.presets.document import Preset, new_preset
from lightmill.presets.library import PresetLibrary, built_in_presets

CATALOGUE = [entry.describe() for entry in build_registry().entries()]
GRAY = new_preset("mine", {"pipeline": "gray"})


@pytest.fixture
def library(tmp_path):
    return PresetLibrary(PresetsConfig(dir=str(tmp_path)))


def test_pipelines_bring_their_own(library):
    built_in = built_in_presets(CATALOGUE)
    assert built_in["color:vivid"]["chain"]["settings"]["saturation"] > 1
    assert all(Preset.model_validate(document) for document in built_in.values())
    assert library.get("color:vivid", CATALOGUE) == built_in["color:vivid"]
    with pytest.raises(PresetNotFound, match="color:vivid"):
        library.get("color:none", CATALOGUE)


def test_a_name_or_a_file(library, tmp_path):
    library.store.save("mine", GRAY)
    assert library.open("mine", CATALOGUE)["name"] == "mine"
    assert library.open("color:vivid", CATALOGUE)["chain"]["pipeline"] == "color"
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "by mail.json").write_text(json.dumps({"lightmill_preset": 1, "chain": {}}))
    assert library.open(str(folder / "by mail.json"), CATALOGUE)["name"] == "by mail"
    with pytest.raises(PresetNotFound, match="nothing"):
        library.open(str(folder / "nothing.json"), CATALOGUE)


def test_the_list_has_all_and_says_what_is_broken(library, tmp_path):
    library.store.save("mine", {**GRAY, "description": "gray"})
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "odd.json").write_text(
        '{"lightmill_preset": 1, "description": 3, "chain": {"pipeline": []}}'
    )
    listing = {entry["name"]: entry for entry in library.listing(CATALOGUE)}
    assert listing["color:vivid"]["built_in"] and not listing["mine"]["built_in"]
    assert listing["mine"]["pipeline"] == "gray" and listing["mine"]["description"] == "gray"
    assert listing["mine"]["error"] is None and "not JSON" in listing["broken"]["error"]
    assert listing["odd"]["description"] == listing["odd"]["pipeline"] == ""
    with pytest.raises(InvalidInput):
        library.get("broken", CATALOGUE)
