"""The hooks that plug-ins implement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy

PROJECT = "lightmill"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_pipelines(register: Callable[[type[Any]], None]) -> None:
    """Call ``register`` with each `Pipeline` class that the plug-in brings."""
