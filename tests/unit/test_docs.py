from __future__ import annotations

import re
from pathlib import Path

import lightmill

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), (page.name, target)


def test_the_public_names_are_sorted_and_there():
    assert lightmill.__all__ == sorted(lightmill.__all__)
    assert all(getattr(lightmill, name) for name in lightmill.__all__)


def test_no_pipeline_is_named_in_the_page():
    from lightmill.pipelines.registry import registry

    fields = {name for entry in registry().entries() for name in entry.config.settings_fields()}
    names = {entry.config.pipeline_id for entry in registry().entries()} | fields
    names -= {"width", "height", "label", "color", "style", "speed"}  # CSS and JavaScript words
    for path in [*ROOT.glob("static/js/**/*.js"), *ROOT.glob("static/*.html")]:
        words = set(re.findall(r"\b[a-z_]+\b", path.read_text()))
        assert not words & names, (path.name, words & names)


def test_every_pipeline_is_listed():
    from lightmill.pipelines.registry import registry

    page = (ROOT / "docs/pipelines/README.md").read_text()
    listed = set(re.findall(r"^\| \[?`([a-z-]+)`", page, re.MULTILINE))
    assert {entry.config.pipeline_id for entry in registry().entries()} <= listed
