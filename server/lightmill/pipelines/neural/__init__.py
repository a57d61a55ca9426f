"""Neural networks that run live on a CPU; their files come as artifacts. One file or folder each."""

from types import ModuleType

from lightmill.pipelines.neural import background, face, hands, low_light, pose, upscale

MODULES: tuple[ModuleType, ...] = (background, face, hands, pose, low_light, upscale)
