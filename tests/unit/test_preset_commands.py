from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lightmill.cli import app

RUNNER = CliRunner()
OTHERS = {
    "lightmill_preset": 1,
    "name": "from afar",
    "made_by": "9.0.0",
    "chain": {"pipeline": "color", "settings": {"hue": 20, "sparkle": 1}},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTMILL_PRESETS__DIR", str(tmp_path / "presets"))
    return lambda *arguments: RUNNER.invoke(app, ["presets", *map(str, arguments)])


def test_imported_listed_shown_removed(run, tmp_path):
    file = tmp_path / "mail.json"
    file.write_text(json.dumps(OTHERS))
    imported = run("import", file)
    assert imported.exit_code == 0, imported.output
    assert "saved as from afar" in imported.stdout
    assert "left out: chain.settings.sparkle: color has no such setting" in imported.stderr
    assert run("import", file).exit_code == 2
    assert run("import", file, "--replace", "--name", "other").exit_code == 0
    listed = {entry["name"]: entry for entry in json.loads(run("list", "--json").stdout)}
    assert listed["color:vivid"]["built_in"] and listed["other"]["made_by"] == "9.0.0"
    assert "from afar" in run().stdout
    assert json.loads(run("show", "from afar").stdout) == OTHERS
    assert json.loads(run("show", "color:vivid").stdout)["chain"]["pipeline"] == "color"
    assert run("rm", "from afar").exit_code == 0
    gone = run("rm", "from afar")
    assert gone.exit_code == 2 and "no preset 'from afar'" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "none"), "no preset 'none'"),
        (("show", "a/b"), "no preset's name"),
        (("import", "/none.json"), "no preset"),
        (("import", __file__), "not JSON"),
        (("rm", "color:vivid"), "no preset's name"),
    ],
)
def test_what_is_wrong_is_one_line(run, arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2 and says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_server_does_not_start_with_a_preset_that_is_not_there():
    result = RUNNER.invoke(app, ["serve", "--port", "0", "--preset", "none"])
    assert result.exit_code == 2 and "session.default_preset: no preset 'none'" in result.output
