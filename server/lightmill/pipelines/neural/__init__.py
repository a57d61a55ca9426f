"""Neural networks that run live on a CPU; their files come as artifacts. One file or folder each."""

from types import ModuleType

MODULES: tuple[ModuleType, ...] = ()
