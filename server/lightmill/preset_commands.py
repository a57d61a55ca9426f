"""``lightmill presets``: the saved presets' folder from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from lightmill.config import Config, load_config
from lightmill.errors import LightmillError

if TYPE_CHECKING:
    from lightmill.pipelines.registry import PipelineRegistry
    from lightmill.presets.library import PresetLibrary

EXIT_USAGE = 2

app = typer.Typer(help="List, show, import and remove presets.")
console = Console()

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file; config/default.toml explains every key.")
]
NameArgument = Annotated[str, typer.Argument(help="A preset's name, as `presets list` shows it.")]


def _give_up(error: LightmillError) -> NoReturn:
    typer.echo(f"lightmill: {error}", err=True)
    raise typer.Exit(EXIT_USAGE)


class _Shelf:
    """The library and what it is looked up in; plug-ins bring presets too."""

    def __init__(self, path: Path | None) -> None:
        from lightmill.pipelines.registry import registry  # noqa: PLC0415  torch loads slowly
        from lightmill.plugins import load_plugins  # noqa: PLC0415
        from lightmill.presets.library import PresetLibrary  # noqa: PLC0415

        config: Config = load_config(path)
        self.registry: PipelineRegistry = registry()
        if config.plugins.enabled:
            load_plugins(self.registry, config.plugins.blocked)
        self.catalogue = [entry.describe() for entry in self.registry.entries()]
        self.library: PresetLibrary = PresetLibrary(config.presets)
        self.max_stages = config.session.max_stages

    def say_left_out(self, document: dict[str, Any]) -> None:
        """Name on the error stream what of it cannot be loaded here."""
        from lightmill.session.fitting import fit  # noqa: PLC0415

        for entry in fit(document, self.registry, self.max_stages).left_out:
            typer.echo(f"left out: {entry.field}: {entry.reason}", err=True)


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """List the presets unless a command says otherwise."""
    if context.invoked_subcommand is None:
        list_presets()


@app.command("list")
def list_presets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: ConfigOption = None,
) -> None:
    """List those that pipelines bring and those that are saved."""
    try:
        shelf = _Shelf(config)
        entries = shelf.library.listing(shelf.catalogue)
    except LightmillError as error:
        _give_up(error)
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table("name", "pipeline", "from", "description")
    for entry in entries:
        origin = "the pipeline" if entry["built_in"] else f"Lightmill {entry['made_by']}"
        table.add_row(
            entry["name"], entry["pipeline"], origin, entry["error"] or entry["description"]
        )
    console.print(table)


@app.command()
def show(name: NameArgument, config: ConfigOption = None) -> None:
    """Print one as JSON, and on the error stream what of it cannot be loaded here."""
    try:
        shelf = _Shelf(config)
        document = shelf.library.get(name, shelf.catalogue)
    except LightmillError as error:
        _give_up(error)
    typer.echo(json.dumps(document, indent=2))
    shelf.say_left_out(document)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="The preset's file.")],
    name: Annotated[str | None, typer.Option(help="Save it under this name.")] = None,
    replace: Annotated[bool, typer.Option(help="Replace one that has the name.")] = False,
    config: ConfigOption = None,
) -> None:
    """Save a preset from a file, under its own name unless another is given."""
    try:
        shelf = _Shelf(config)
        document = shelf.library.read(file)
        wanted = name or str(document.get("name") or file.stem)
        shelf.library.store.save(wanted, document, replace=replace)
    except LightmillError as error:
        _give_up(error)
    typer.echo(f"saved as {wanted}")
    shelf.say_left_out(document)


@app.command("rm")
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Remove a saved one."""
    from lightmill.presets.library import PresetLibrary  # noqa: PLC0415

    try:
        PresetLibrary(load_config(config).presets).store.remove(name)
    except LightmillError as error:
        _give_up(error)
