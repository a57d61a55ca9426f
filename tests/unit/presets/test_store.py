from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightmill.config import PresetsConfig
from lightmill.errors import InvalidInput, LimitReached, PresetExists, PresetNotFound, Unavailable
from lightmill.presets.document import new_preset
from lightmill.presets.store import PresetStore, presets_dir

GRAY = new_preset("anything", {"pipeline": "gray", "settings": {"amount": 0.5}})


@pytest.fixture
def store(tmp_path: Path) -> PresetStore:
    return PresetStore(PresetsConfig(dir=str(tmp_path / "presets"), max_presets=3))


def test_saved_listed_loaded_removed(store):
    assert store.names() == []
    assert store.save("Evening stream", GRAY)
    assert not store.save("Evening stream", GRAY)
    assert store.names() == ["Evening stream"]
    assert store.load("Evening stream") == {**GRAY, "name": "Evening stream"}
    store.remove("Evening stream")
    for gone in (store.load, store.remove):
        with pytest.raises(PresetNotFound, match="Evening stream"):
            gone("Evening stream")


def test_another_store_sees_the_same_files(store, tmp_path):
    store.save("a", GRAY)
    other = PresetStore(PresetsConfig(dir=str(tmp_path / "presets")))
    assert other.load("a")["chain"] == GRAY["chain"]
    other.remove("a")
    assert store.names() == []


def test_nothing_is_replaced_unasked(store):
    store.save("a", GRAY)
    with pytest.raises(PresetExists, match="'a' is there"):
        store.save("a", {**GRAY, "description": "new"}, replace=False)
    assert store.load("a") == {**GRAY, "name": "a"}


def test_limits_name_their_keys(store, tmp_path):
    for name in "abc":
        store.save(name, GRAY)
    with pytest.raises(LimitReached, match=r"presets\.max_presets"):
        store.save("d", GRAY)
    assert not store.save("a", GRAY)  # what is there may be replaced
    small = PresetStore(PresetsConfig(dir=str(tmp_path), max_preset_bytes=50))
    with pytest.raises(InvalidInput, match=r"presets\.max_preset_bytes"):
        small.save("a", GRAY)
    (tmp_path / "long.json").write_text(" " * 51)
    with pytest.raises(InvalidInput, match=r"presets\.max_preset_bytes"):
        small.load("long")


def test_names_lead_nowhere_else(store, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    for work in (store.load, store.remove, lambda name: store.save(name, GRAY)):
        with pytest.raises(InvalidInput):
            work("../secret")
    assert (tmp_path / "secret.json").read_text() == "{}"


def test_other_files_are_passed_over_and_broken_ones_said(store):
    store.save("a", GRAY)
    for name in (".hidden.json", "notes.txt", ".unfinished-x"):
        (store.folder / name).write_text("x")
    (store.folder / "broken.json").write_text("{")
    assert store.names() == ["a", "broken"]
    with pytest.raises(InvalidInput, match="not JSON"):
        store.load("broken")


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(store, monkeypatch):
    store.save("a", GRAY)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match=r"No space left on device; see presets\.dir"):
        store.save("a", {**GRAY, "description": "new"})
    assert store.load("a") == {**GRAY, "name": "a"}
    assert [path.name for path in store.folder.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    store = PresetStore(PresetsConfig(dir=str(tmp_path / "file")))
    for work in (store.names, lambda: store.save("a", GRAY), lambda: store.load("a")):
        with pytest.raises(Unavailable, match="file"):
            work()


def test_readers_never_see_half_a_file(store):
    long = {**GRAY, "description": "x" * 100_000}
    store.save("a", GRAY)
    with ThreadPoolExecutor(3) as pool:
        writes = [pool.submit(store.save, "a", (GRAY, long)[n % 2]) for n in range(60)]
        reads = [pool.submit(store.load, "a") for _ in range(60)]
    assert not any(write.result() for write in writes)
    assert {len(read.result()["description"]) for read in reads} <= {0, 100_000}


def test_where_presets_lie(tmp_path):
    assert presets_dir(PresetsConfig(dir="~/p")) == Path.home() / "p"
    default = presets_dir(PresetsConfig(), {"XDG_DATA_HOME": str(tmp_path)})
    assert default == tmp_path / "lightmill/presets"
    for unset in ({}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"}):
        assert presets_dir(PresetsConfig(), unset) == Path.home() / ".local/share/lightmill/presets"
