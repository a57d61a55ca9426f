"""What loading a pipeline is at, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What happens, in this order; a phase with nothing to do is passed over quickly."""

    DOWNLOAD = "download"
    LOAD = "load"
    WARM_UP = "warm_up"


@dataclass(frozen=True, slots=True)
class Progress:
    """``file`` and the bytes belong to a download; ``total_bytes`` is ``None`` while unknown."""

    phase: Phase
    file: str | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "phase": str(self.phase),
            "file": self.file,
            "done_bytes": self.done_bytes,
            "total_bytes": self.total_bytes,
        }


OnProgress = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """For callers whom nobody watches."""
