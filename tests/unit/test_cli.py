from __future__ import annotations

import json
import socket

from typer.testing import CliRunner

from lightmill import __version__
from lightmill.cli import app

RUNNER = CliRunner()


def test_version_and_help():
    assert RUNNER.invoke(app, ["--version"]).stdout.strip() == __version__
    for command in ("serve", "pipelines", "presets", "doctor", "bench"):
        assert RUNNER.invoke(app, [command, "--help"]).exit_code == 0


def test_pipelines_as_json():
    listed = json.loads(RUNNER.invoke(app, ["pipelines", "--json"]).stdout)["pipelines"]
    assert {"passthrough", "gray", "color", "edges", "trails", "testcard"} <= {
        p["id"] for p in listed
    }


def test_doctor_opens_every_codec_that_is_needed():
    result = RUNNER.invoke(app, ["doctor", "--json"])
    findings = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert findings["libx264 (encode)"]["ok"] and "h264_nvenc (encode)" in findings


def test_wrong_configuration_and_a_taken_port_are_one_line():
    result = RUNNER.invoke(app, ["serve", "--config", "/nonexistent.toml"])
    assert result.exit_code == 2 and "does not exist" in result.output
    result = RUNNER.invoke(app, ["serve", "--pipeline", "none", "--port", "0"])
    assert result.exit_code == 2 and "session.default_pipeline" in result.output
    result = RUNNER.invoke(app, ["serve", "--source", "/nonexistent.mp4", "--port", "0"])
    assert result.exit_code == 2 and "sources.url: there is no file" in result.output
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = RUNNER.invoke(app, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2 and "is taken by another program" in result.output
