from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from lightmill.config import RecordingConfig
from lightmill.errors import LimitReached, RecordingNotFound, Unavailable
from lightmill.session.shelf import ID, Shelf, new_id, part_id


def shelf(folder, **limits) -> Shelf:
    limits.setdefault("min_free_bytes", 0)
    return Shelf(RecordingConfig(dir=str(folder), **limits))


def test_files_of_any_origin_are_listed_newest_first(tmp_path):
    for age, name in enumerate(["new.mp4", "old.mp4", "notes.txt", ".hidden.mp4"]):
        (tmp_path / name).write_bytes(b"1234")
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "new.mp4")
    listed = shelf(tmp_path).list()
    assert [one.id for one in listed] == ["new", "old"]
    assert listed[0].to_json(recording=False) == {
        "id": "new",
        "file": "new.mp4",
        "state": "done",
        "size_bytes": 4,
        "changed": "1970-01-01T00:16:40+00:00",
    }


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "", "a/b", ".x", "a\0b", "x" * 200])
def test_no_name_leads_out(tmp_path, name):
    with pytest.raises(RecordingNotFound):
        shelf(tmp_path).find(name)


def test_a_folder_that_is_not_there_is_empty_and_gets_made(tmp_path):
    one = shelf(tmp_path / "a/b")
    assert one.list() == []
    one.prepare()
    assert (tmp_path / "a/b").is_dir()


def test_limits_name_their_keys(tmp_path):
    (tmp_path / "x.mp4").write_bytes(bytes(100))
    shelf(tmp_path, max_bytes=101).prepare()
    with pytest.raises(LimitReached, match=r"recording\.max_bytes"):
        shelf(tmp_path, max_bytes=100).prepare()
    with pytest.raises(LimitReached, match=r"recording\.min_free_bytes"):
        shelf(tmp_path, min_free_bytes=1 << 60).prepare()
    with pytest.raises(Unavailable, match=r"recording\.dir"):
        shelf(tmp_path / "x.mp4/below").prepare()


def test_what_sinks_wrote_counts(tmp_path):
    (tmp_path / "show.ts").write_bytes(bytes(100))
    with pytest.raises(LimitReached, match=r"recording\.max_bytes"):
        shelf(tmp_path, max_bytes=100).prepare()
    assert shelf(tmp_path).list() == []


def test_a_folder_that_is_none_or_gone_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match=r"recording\.dir"):
        shelf(tmp_path / "file").list()
    with pytest.raises(Unavailable, match=r"recording\.dir"):
        shelf(tmp_path / "gone").check_room()


def test_ids_are_names():
    made = new_id("s" * 64, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert made.startswith("s" * 64 + "-20260102-030405-") and ID.fullmatch(part_id(made, 12))
    assert part_id("a", 1) == "a" and part_id("a", 2) == "a-2"


def test_the_default_is_where_xdg_says(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert str(RecordingConfig().directory) == "/somewhere/lightmill/recordings"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/one")
    assert str(RecordingConfig().directory) == "/home/one/.local/share/lightmill/recordings"
