from __future__ import annotations

import pytest

from lightmill.config import Config, RecordingConfig
from lightmill.errors import InvalidInput
from lightmill.session.target import parse_target

CONFIG = Config()


@pytest.mark.parametrize(
    ("url", "shown", "container", "sound"),
    [
        ("rtmp://example.org/live/key?a=b", "rtmp://example.org/live/…", "flv", "aac"),
        ("rtmps://u:p@example.org:443/app/x/key", "rtmps://example.org:443/app/…", "flv", "aac"),
        ("rtmp://example.org/key", "rtmp://example.org", "flv", "aac"),
        ("srt://example.org:9000?passphrase=x", "srt://example.org:9000", "mpegts", "aac"),
    ],
)
def test_what_is_shown_holds_no_secret(url, shown, container, sound):
    target = parse_target(url, None, CONFIG)
    assert (target.url, target.shown) == (url, shown)
    assert (target.format, target.sound, target.local) == (container, sound, False)


def test_files_get_names_that_nothing_has(tmp_path):
    config = Config(recording=RecordingConfig(dir=str(tmp_path)))
    target = parse_target("file:show.mp4", None, config)
    assert (target.sound, target.local, target.fresh()) == (
        "opus",
        True,
        str(tmp_path / "show.mp4"),
    )
    (tmp_path / "show-2.mp4").write_text("taken")
    third = target.fresh()
    assert third == str(tmp_path / "show-3.mp4")
    (tmp_path / "show.mp4").write_text("written")
    for name in ("show.mp4", "show-3.mp4"):
        target.tidy(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["show-2.mp4", "show.mp4"]


@pytest.mark.parametrize("url", ["udp://h:1", "file:a/b.mp4", "rtmp://", "x", "rtmp://[::1/x"])
def test_the_rest_is_refused(url):
    with pytest.raises(InvalidInput) as refused:
        parse_target(url, None, CONFIG)
    assert refused.value.fields[0].field == "url"
