"""Neural networks that run live on a CPU; their files come as artifacts. One file or folder each."""

from types import ModuleType

from lightmill.pipelines.neural import face, hands, pose

MODULES: tuple[ModuleType, ...] = (face, hands, pose)
