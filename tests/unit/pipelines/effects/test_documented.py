import re
from pathlib import Path

from lightmill.pipelines.effects.frames import FrameEffect, PlaneEffect
from lightmill.pipelines.registry import registry

FOLDER = Path(__file__).parents[4] / "docs/pipelines"
INDEX = (FOLDER / "README.md").read_text()


def test_each_effect_has_a_line_and_each_of_opencv_a_picture():
    for entry in registry().entries():
        if entry.pipeline.__module__.startswith("lightmill.pipelines.neural"):
            continue
        name = entry.config.pipeline_id
        assert re.search(rf"^\| \[?`{name}`", INDEX, re.MULTILINE), name
        if issubclass(entry.pipeline, FrameEffect | PlaneEffect):
            assert f"![{name}]({name}.jpg)" in INDEX


def test_the_mark_says_who_works_on_planes():
    marked = set(re.findall(r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) °", INDEX, re.MULTILINE))
    on_planes = {
        entry.config.pipeline_id
        for entry in registry().entries()
        if issubclass(entry.pipeline, PlaneEffect)
    }
    assert marked == on_planes


def test_pictures_are_small():
    sizes = [picture.stat().st_size for picture in FOLDER.glob("*.jpg")]
    assert max(sizes) <= 60_000
