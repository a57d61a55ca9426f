"""The command line: ``lightmill serve | pipelines | doctor``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lightmill import __version__
from lightmill.config import Config, load_config
from lightmill.errors import ConfigError, LightmillError
from lightmill.logs import configure_logging

EXIT_USAGE = 2

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Real-time video, live AI.")
console = Console()

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file; config/default.toml explains every key.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Lightmill: a real-time WebRTC media server for live AI video."""


def _load(config: Path | None, flags: dict[str, Any]) -> Config:
    try:
        return load_config(config, flags=flags)
    except ConfigError as error:
        _give_up(error)
        raise  # unreachable; for the type checker


def _give_up(error: LightmillError) -> None:
    typer.echo(f"lightmill: {error}", err=True)
    raise typer.Exit(EXIT_USAGE)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    config: ConfigOption = None,
    pipeline: Annotated[str | None, typer.Option(help="Pipeline of new sessions.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token that clients must send.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that run the sessions; 0: this one does.")
    ] = None,
) -> None:
    """Run the server until Ctrl-C."""
    flags = {
        "server": {"host": host, "port": port, "token": token, "workers": workers},
        "session": {"default_pipeline": pipeline},
        "log": {"level": log_level},
    }
    loaded = _load(config, flags)
    configure_logging(loaded.log.level)
    from lightmill.app import serve as run  # noqa: PLC0415  other commands need no server

    def on_ready(url: str) -> None:
        typer.echo(f"Lightmill {__version__} is ready: open {url}")

    try:
        asyncio.run(run(loaded, on_ready))
    except LightmillError as error:
        _give_up(error)


@app.command()
def pipelines(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the pipelines, and why one cannot run here."""
    loaded = _load(config, {})
    from lightmill.pipelines.registry import registry  # noqa: PLC0415
    from lightmill.plugins import PluginReport, load_plugins  # noqa: PLC0415

    known = registry()
    enabled = loaded.plugins.enabled
    report = load_plugins(known, loaded.plugins.blocked) if enabled else PluginReport()
    entries = [entry.describe() for entry in known.entries()]
    failed = [failure.to_json() for failure in report.failed]
    if as_json:
        typer.echo(json.dumps({"pipelines": entries, "failed_plugins": failed}, indent=2))
        return
    table = Table("id", "name", "modes", "available")
    for entry in entries:
        available = "yes" if entry["available"] else f"no: {entry['reason']}"
        table.add_row(entry["id"], entry["name"], ", ".join(entry["modes"]), available)
    console.print(table)
    for failure in failed:
        typer.echo(f"plug-in {failure['plugin']} is skipped: {failure['error']}", err=True)


@app.command()
def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check this machine; exit code 1 when something essential is missing."""
    loaded = _load(config, {})
    from lightmill.doctor import examine  # noqa: PLC0415

    findings = examine(loaded)
    if as_json:
        typer.echo(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        table = Table("", "what", "found", "advice")
        for finding in findings:
            table.add_row(finding.mark, finding.what, finding.found, finding.advice)
        console.print(table)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """The entry point of the ``lightmill`` command."""
    app()
