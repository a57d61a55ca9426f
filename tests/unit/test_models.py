"""`lightmill models` against a server of one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lightmill import Pipeline
from lightmill.cli import app
from lightmill.pipelines.registry import build_registry
from tests.unit.inference.artifacts.conftest import CONTENT, needing, origin, weights

__all__ = ["origin", "weights"]  # fixtures


@pytest.fixture
def models(monkeypatch, tmp_path, weights):
    """Run the command with a pipeline that needs the file."""

    class Thinker(Pipeline):
        @classmethod
        def get_config_class(cls):
            return needing(weights)

        def __call__(self, **kwargs: Any) -> dict[str, Any]:
            raise NotImplementedError

    registry = build_registry()
    registry.register(Thinker, plugin="tests")
    monkeypatch.setattr("lightmill.models.process_registry", lambda: registry)
    monkeypatch.setenv("LIGHTMILL_ARTIFACTS__DIR", str(tmp_path))
    monkeypatch.setenv("LIGHTMILL_ARTIFACTS__MIN_FREE_BYTES", "0")
    return lambda *arguments: CliRunner().invoke(app, ["models", *arguments])


def listed(models):
    (artifact,) = json.loads(models("list", "--json").stdout)["pipelines"]["thinker"]
    return artifact


def test_list_fetch_and_rm(models, origin):
    artifact = listed(models)
    path = Path(artifact["paths"][0])
    assert artifact["state"] == "missing" and artifact["licence"] == "MIT"
    done = models("fetch", "thinker")
    assert done.exit_code == 0 and str(path) in done.output and "MIT" in done.output
    assert path.read_bytes() == CONTENT and listed(models)["state"] == "present"
    assert "thinker" in models().output and "thinker" in models("list").output
    assert models("rm", "thinker").exit_code == 0
    assert not path.exists() and listed(models)["state"] == "missing"


def test_a_failure_ends_with_its_message(models, origin):
    origin.break_after = len(CONTENT) // 2
    failed = models("fetch", "thinker")
    assert failed.exit_code == 1 and "the connection broke" in failed.output
    assert listed(models)["paths"][0] in failed.output
    assert models("fetch", "thinker").exit_code == 0
    assert origin.n_sent == len(CONTENT)
    unknown = models("fetch", "none")
    assert unknown.exit_code == 1 and "no pipeline" in unknown.output
    assert models("rm", "none").exit_code == 1
