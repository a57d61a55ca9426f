"""The picture as it came: nothing is converted, so this shows what the server itself costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults
from lightmill.pipelines.contract import Pipeline, Requirements


class PassthroughConfig(BasePipelineConfig):
    """No settings."""

    pipeline_id: ClassVar[str] = "passthrough"
    pipeline_name: ClassVar[str] = "Passthrough"
    pipeline_description: ClassVar[str] = "The picture as it came, untouched."
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}


class Passthrough(Pipeline):
    """Returns the pictures themselves, in whatever form they come."""

    accepts = "any"
    computes = False

    @classmethod
    def get_config_class(cls) -> type[PassthroughConfig]:
        return PassthroughConfig

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        return {"video": kwargs["video"]}


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Passthrough)
