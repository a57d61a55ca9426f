"""The command line: ``lightmill serve | pipelines | models | presets | doctor | bench``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lightmill import __version__, preset_commands
from lightmill.config import Config, load_config
from lightmill.errors import BenchError, ConfigError, LightmillError
from lightmill.logs import configure_logging

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Real-time video, live AI.")
app.add_typer(preset_commands.app, name="presets")
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


def _give_up(error: LightmillError, code: int = EXIT_USAGE) -> None:
    typer.echo(f"lightmill: {error}", err=True)
    raise typer.Exit(code)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    config: ConfigOption = None,
    pipeline: Annotated[str | None, typer.Option(help="Pipeline of new sessions.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset that new sessions start with: its name or file.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token that clients must send.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that run the sessions; 0: this one does.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Video file, camera or URL to show from the start on.")
    ] = None,
    session: Annotated[str | None, typer.Option(help="Name of --source's session.")] = None,
) -> None:
    """Run the server until Ctrl-C."""
    flags = {
        "server": {"host": host, "port": port, "token": token, "workers": workers},
        "session": {"default_pipeline": pipeline, "default_preset": preset},
        "log": {"level": log_level},
        "sources": {"url": source, "session": session},
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


models_app = typer.Typer(invoke_without_command=True)
app.add_typer(
    models_app, name="models", help="The files that pipelines fetch: list, fetch ID, rm ID."
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A pipeline's id.")]


@models_app.callback()
def models(context: typer.Context) -> None:
    """Without a command, list them."""
    if context.invoked_subcommand is None:
        list_models()


@models_app.command("list")
def list_models(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every file, its licence and whether it is here."""
    from lightmill.models import describe, open_models, table  # noqa: PLC0415  torch loads slowly

    described = describe(open_models(_load(config, {})))
    if as_json:
        typer.echo(json.dumps(described, indent=2))
    else:
        console.print(table(described))
        console.print(f"in {described['dir']}")


@models_app.command("fetch")
def fetch_models(pipeline: IdArgument, config: ConfigOption = None) -> None:
    """Fetch what a pipeline needs; what an earlier try left is gone on with."""
    from lightmill.models import fetch, open_models  # noqa: PLC0415  torch loads slowly

    try:
        files = fetch(open_models(_load(config, {})), pipeline, console)
    except LightmillError as error:
        _give_up(error, EXIT_FAILED)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    else:
        for name, path in files.items():
            typer.echo(f"{name}: {path}")


@models_app.command("rm")
def remove_models(pipeline: IdArgument, config: ConfigOption = None) -> None:
    """Delete a pipeline's files; those that others share are fetched again when they need them."""
    from lightmill.models import open_models, remove  # noqa: PLC0415  torch loads slowly

    try:
        remove(open_models(_load(config, {})), pipeline)
    except LightmillError as error:
        _give_up(error, EXIT_FAILED)


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


@app.command()
def bench(
    url: Annotated[str, typer.Argument(help="An /offer, WHIP or WHEP URL, or HOST:PORT.")],
    kind: Annotated[
        str | None, typer.Option(help="offer, whip+whep or whep; by the URL if not given.")
    ] = None,
    sessions: Annotated[int, typer.Option(help="Sessions at once.")] = 1,
    viewers: Annotated[int, typer.Option(help="WHEP viewers of each session.")] = 1,
    probes: Annotated[int, typer.Option(help="Sessions whose pictures are decoded.")] = 1,
    seconds: Annotated[float, typer.Option(help="Measured time, after the warm-up.")] = 10,
    warm_up: Annotated[float, typer.Option(help="Seconds before measuring.")] = 3,
    size: Annotated[str, typer.Option(help="Width and height of the pictures.")] = "1280x720",
    fps: Annotated[float, typer.Option(help="Pictures a second.")] = 30,
    bitrate: Annotated[int, typer.Option(help="Bits per second; 0: by the size.")] = 0,
    room: Annotated[
        int, typer.Option(help="Bits per second that viewers report as room; 0: they estimate.")
    ] = 0,
    codec: Annotated[str, typer.Option(help="h264 or vp8.")] = "h264",
    keyframe_s: Annotated[float, typer.Option(help="Seconds between keyframes.")] = 2,
    pipeline: Annotated[str | None, typer.Option(help="Pipeline to ask for.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token of the server.")] = None,
    server_pid: Annotated[
        int | None, typer.Option(help="Process to watch; found by the port if local.")
    ] = None,
    sustain: Annotated[
        float | None, typer.Option(help="Add sessions until one has fewer frames a second.")
    ] = None,
    floor: Annotated[bool, typer.Option(help="Measure the client alone first.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the result as JSON; - prints it.")
    ] = None,
) -> None:
    """Load a server with real peers, and measure what comes back."""
    from lightmill.bench.command import run_bench  # noqa: PLC0415  av and aiortc load slowly
    from lightmill.bench.options import (  # noqa: PLC0415
        BenchOptions,
        Kind,
        complete_url,
        guess_kind,
        parse_size,
    )

    try:
        if kind is not None and kind not in {"offer", "whip+whep", "whep"}:
            raise BenchError(f"kind {kind} is not offer, whip+whep or whep")
        chosen = Kind(kind) if kind else guess_kind(url)
        width, height = parse_size(size)
        options = BenchOptions(
            url=complete_url(url, chosen),
            kind=chosen,
            sessions=sessions,
            viewers=viewers,
            probes=probes,
            seconds=seconds,
            warm_up_s=warm_up,
            width=width,
            height=height,
            fps=fps,
            bitrate_bps=bitrate,
            room_bps=room,
            codec=codec.upper(),
            keyframe_s=keyframe_s,
            pipeline=pipeline,
            token=token,
            server_pid=server_pid,
        )
        run_bench(options, sustain_fps=sustain, floor=floor, json_file=json_file)
    except BenchError as error:
        _give_up(error)
    except KeyboardInterrupt:
        typer.echo("interrupted; all peers are closed", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def main() -> None:
    """The entry point of the ``lightmill`` command."""
    app()
