"""Real packages from PyPI and npm, by the downloaders that users have."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from lightmill.errors import ArtifactCorrupt, ArtifactError, ArtifactUnreachable
from lightmill.inference.artifacts import wheel
from lightmill.pipelines.artifacts import NpmArtifact, WheelArtifact
from tests.unit.inference.artifacts.conftest import needing

WEIGHTS = WheelArtifact(
    package="neuro-low-light",
    version="0.1.0",
    member="neuro_low_light/weights/best_model.pth",
    sha256="64f31f24bc6bd08c46eb5a5f8f67f36576d08337287454b6b5ed2bc4aa60a62f",
    size_bytes=970594,
    licence="MIT",
)
NETWORK = NpmArtifact(
    package="@websr/websr",
    version="0.0.15",
    member="weights/anime4k/cnn-2x-s-rl.json",
    sha256="28f9853f8a4640dbc2bef0617e8dc5929590f46c16c5a5fd50a9de2502f8724b",
    size_bytes=13651,
    licence="MIT",
)
SOURCE = replace(
    WEIGHTS,
    member="neuro_low_light/model.py",
    sha256="83baba40935a18441b935c773fe1cb12f40e2f09a83340923ca5e88ea6807edb",
    size_bytes=2103,
)


npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


async def test_two_files_come_with_one_wheel_which_is_thrown_away(open_store, cache, monkeypatch):
    downloads = []
    real = wheel.download
    monkeypatch.setattr(wheel, "download", lambda *args: (downloads.append(args), real(*args)))
    store, seen = open_store((WEIGHTS, SOURCE)), []
    files = await store.fetch(needing(WEIGHTS), seen.append)
    assert files["best_model.pth"].stat().st_size == WEIGHTS.size_bytes
    assert seen[0].file == "neuro-low-light 0.1.0" and seen[-1].file in {
        "best_model.pth",
        "model.py",
    }
    (other,) = (await store.fetch(needing(SOURCE, pipeline="other"))).values()
    assert other.read_text().startswith('"""\nZero-DCE')
    assert len(downloads) == 1
    assert not list(cache.rglob("*.whl")) and not list((cache / "unfinished").iterdir())


async def test_a_member_that_is_not_what_was_declared(open_store, cache):
    wrong = replace(WEIGHTS, sha256="0" * 64)
    with pytest.raises(ArtifactCorrupt, match=r"best_model\.pth is not the file") as refused:
        await open_store((WEIGHTS,)).fetch(needing(wrong))
    assert WEIGHTS.sha256 in str(refused.value)
    gone = replace(WEIGHTS, member="neuro_low_light/none.pth")
    with pytest.raises(ArtifactCorrupt, match=r"the wheel has no neuro_low_light/none\.pth"):
        await open_store().fetch(needing(gone))
    assert [path.name for path in cache.rglob("*.pth")] == ["best_model.pth"]


async def test_a_version_that_is_not_there_is_told_in_pips_words(open_store):
    with pytest.raises(ArtifactUnreachable, match="No matching distribution"):
        await open_store().fetch(needing(replace(WEIGHTS, version="99.0")))


@npm
async def test_a_file_out_of_an_npm_package(open_store, cache):
    (path,) = (await open_store().fetch(needing(NETWORK))).values()
    assert path.name == "cnn-2x-s-rl.json" and path.read_text().startswith("{")
    assert not list(cache.rglob("*.tgz"))
    with pytest.raises(ArtifactCorrupt, match=r"the package has no ../LICENSE"):
        await open_store().fetch(needing(replace(NETWORK, member="../LICENSE")))


@pytest.mark.parametrize(
    "artifact",
    [
        replace(WEIGHTS, package="-r/etc/passwd"),
        replace(WEIGHTS, version="1 --index-url=http://example.org"),
        replace(NETWORK, package="file:../x"),
        replace(NETWORK, version="git+ssh://example.org"),
        replace(WEIGHTS, version="../.."),
        replace(WEIGHTS, member="neuro_low_light/.."),
    ],
)
async def test_what_is_no_package_is_never_asked_for(open_store, artifact):
    with pytest.raises(ArtifactError):
        await open_store().fetch(needing(artifact))
