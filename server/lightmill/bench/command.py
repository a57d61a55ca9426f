"""What ``lightmill bench`` does once its options are known."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lightmill.bench.measure import Progress, measure
from lightmill.bench.options import BenchOptions
from lightmill.bench.sustain import sustain
from lightmill.bench.table import result_table, sustained_table


def run_bench(
    options: BenchOptions, *, sustain_fps: float | None, floor: bool, json_file: Path | None
) -> None:
    """Run, with progress on standard error, and print. Ctrl-C closes every peer first.

    Raises:
        BenchError: the run cannot start or go on.

    """
    with Console(stderr=True).status("starting") as status:
        tables, values = asyncio.run(_run(options, sustain_fps, floor, status.update))
    text = json.dumps(values, indent=2)
    if json_file == Path("-"):
        Console().print_json(text)
        return
    for table in tables:
        Console().print(table)
    if json_file is not None:
        json_file.write_text(text + "\n")


async def _run(
    options: BenchOptions, sustain_fps: float | None, floor: bool, progress: Progress
) -> tuple[list[Table], dict[str, Any]]:
    if sustain_fps is None:
        result = await measure(options, floor=floor, progress=progress)
        return [result_table(result)], result.to_json()
    sustained = await sustain(options, sustain_fps, progress=progress)
    tables = [sustained_table(sustained, sustain_fps)]
    if sustained.best is not None:
        tables.append(result_table(sustained.best))
    best = sustained.best.to_json() if sustained.best else None
    return tables, asdict(sustained) | {"best": best}
