"""Which sources may be named, and what a caller is told."""

from __future__ import annotations

import pytest

from lightmill.config import SourcesConfig
from lightmill.errors import InvalidInput
from lightmill.media.inputs import SourceKind
from lightmill.session.host import SourceRequest
from lightmill.session.source_rules import masked, source_spec


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos" / "sub").mkdir(parents=True)
    (tmp_path / "videos" / "a b.mp4").write_bytes(b"x")
    (tmp_path / "videos" / "sub" / "c.mp4").write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "videos" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    return tmp_path / "videos"


def spec(url, folder=None, *, trusted=False, **config):
    request = SourceRequest(url, trusted=trusted)
    return source_spec(request, SourcesConfig(dir=folder, **config))


@pytest.mark.parametrize("url", ["a b.mp4", "file:a b.mp4", "sub/c.mp4", "sub/../a b.mp4"])
def test_files_of_the_folder(folder, url):
    found = spec(url, folder)
    assert found.kind is SourceKind.FILE and found.address.startswith(str(folder))
    assert not found.shown.startswith("/")


def test_an_absolute_path_and_a_file_url_within_the_folder(folder):
    assert spec(str(folder / "sub/c.mp4"), folder).address == str(folder / "sub/c.mp4")
    assert spec(f"file://{folder}/a%20b.mp4", folder).address == str(folder / "a b.mp4")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("../secret.mp4", "inside the folder"),
        ("sub/../../secret.mp4", "inside the folder"),
        ("link.mp4", "inside the folder"),
        ("/etc/passwd", "inside the folder"),
        ("file:///etc/passwd", "inside the folder"),
        ("file:///%2e%2e/secret.mp4", "inside the folder"),
        ("file://%2e%2e/secret.mp4", "inside the folder"),
        ("missing.mp4", "no file"),
        ("x" * 2000, "no file"),
        ("file:///%00.mp4", "no file"),
        ("file://[x", "name a file"),
        ("sub", "no file"),
        ("concat:a b.mp4|sub/c.mp4", "'concat' is not allowed"),
        ("subfile,,start,0,end,0,,:/etc/passwd", "is not allowed"),
        ("data:video/mp4;base64,AAAA", "'data' is not allowed"),
        ("pipe:0", "'pipe' is not allowed"),
        ("lavfi:testsrc", "'lavfi' is not allowed"),
        ("ftp://host/a.mp4", "'ftp' is not allowed"),
        ("http:///x.mp4", "name a host"),
        ("http://[::1/x", "name a host"),
        ("http://host:99999/x", "name a host"),
        ("/dev/video0", "sources.cameras"),
        ("v4l2:///dev/video0", "sources.cameras"),
        ("http://host/\n", "printable"),
    ],
)
def test_what_is_refused_names_the_field_and_the_remedy(folder, url, remedy):
    with pytest.raises(InvalidInput, match=remedy) as refused:
        spec(url, folder)
    assert refused.value.fields[0].field == "url"


def test_without_a_folder_there_are_no_files():
    with pytest.raises(InvalidInput, match=r"sources\.dir"):
        spec("/etc/hostname")


def test_the_operator_may_name_any_file_and_camera(folder):
    secret = folder.parent / "secret.mp4"
    assert spec(str(secret), trusted=True).address == str(secret)
    assert spec("/dev/video3", trusted=True).kind is SourceKind.CAMERA


def test_schemes_and_cameras_are_configured(folder):
    assert spec("/dev/video0", cameras=["/dev/video0"]).address == "/dev/video0"
    assert spec("RTSP://cam/x").kind is SourceKind.STREAM
    assert spec("https://host/x.mp4").kind is SourceKind.HTTP
    with pytest.raises(InvalidInput, match=r"allowed are rtsp: see sources\.schemes"):
        spec("https://host/x.mp4", schemes=["rtsp"])


def test_secrets_are_not_shown():
    assert masked("rtsp://me:secret@cam:554/a?token=1#x") == "rtsp://cam:554/a"
