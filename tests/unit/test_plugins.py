from __future__ import annotations

import sys
from pathlib import Path

from lightmill.pipelines.registry import build_registry
from lightmill.plugins import load_plugins

WRONG_PRESET = """    presets = {"loud": {"amount": 7}}
    amount:"""
EXAMPLE = Path(__file__).parents[2] / "docs/examples/negative.py"


def install(folder: Path, name: str, source: str) -> None:
    """Lay a package with an entry point into ``folder``, as pip would."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lightmill]\n{name} = {name}\n")


def test_good_plugins_load_and_broken_ones_are_named(tmp_path, monkeypatch):
    install(tmp_path, "mill_good", EXAMPLE.read_text())
    install(tmp_path, "mill_typo", "import no_such_module\n")
    install(tmp_path, "mill_twice", EXAMPLE.read_text().replace('"negative"', '"gray"'))
    install(tmp_path, "mill_raises", EXAMPLE.read_text().replace("register(Negative)", "1 / 0"))
    install(tmp_path, "mill_preset", EXAMPLE.read_text().replace("    amount:", WRONG_PRESET))
    install(tmp_path, "mill_blocked", EXAMPLE.read_text())
    monkeypatch.syspath_prepend(tmp_path)
    registry = build_registry()
    report = load_plugins(registry, blocked=["mill_blocked"])
    failed = {failure.plugin: failure.error for failure in report.failed}
    assert registry.entry("negative").plugin == "mill_good"
    assert set(failed) == {"mill_typo", "mill_twice", "mill_raises", "mill_preset"}
    assert "no_such_module" in failed["mill_typo"]
    assert "'gray' is taken" in failed["mill_twice"]
    assert "ZeroDivisionError" in failed["mill_raises"]
    assert "preset 'loud': amount" in failed["mill_preset"]
    assert "mill_blocked" not in sys.modules
