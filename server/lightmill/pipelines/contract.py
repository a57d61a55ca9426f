"""What a pipeline is. `docs/writing-a-pipeline.md` shows how to write one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from lightmill.pipelines.artifacts import Files
from lightmill.pipelines.config import BasePipelineConfig

DEFAULT_FRAMES_PER_BLOCK = 3
DEFAULT_VAE_TEMPORAL_FACTOR = 4


@dataclass(frozen=True)
class Requirements:
    """What the next chunk takes: ``input_size`` frames, at least one."""

    input_size: int

    def __post_init__(self) -> None:
        if self.input_size < 1:
            raise ValueError(f"input_size must be at least 1, not {self.input_size}")


class Pipeline(ABC):
    """One session's instance: state lives on ``self``, shared weights in ``components``."""

    accepts: ClassVar[Literal["rgb", "yuv420p", "native", "any"]] = "rgb"
    """What ``video`` holds: RGB tensors, `YuvPlanes` (no conversion, half the memory), decoded
    frames as they are, or with ``any`` whatever the stage before gave, to be looked at no further
    and returned unchanged. Any of the first three may be returned.
    """
    computes: ClassVar[bool] = True
    """``False``: a call takes microseconds, so it is made on the event loop, without a thread."""

    def __init__(
        self, *, device: torch.device, components: object | None = None, **settings: Any
    ) -> None:
        self.device = device
        self.components = components

    @classmethod
    @abstractmethod
    def get_config_class(cls) -> type[BasePipelineConfig]:
        """The class that describes the pipeline and validates its settings."""

    @classmethod
    def load_components(
        cls, config: BasePipelineConfig, device: torch.device, files: Files
    ) -> object | None:
        """Load what is heavy and read-only; sessions with equal load parameters share it.

        ``files`` has the path of every file that the config class' ``artifacts`` name.
        """
        return None

    @classmethod
    def warm_up(cls, components: object | None, device: torch.device) -> None:
        """Make the first chunk as quick as the others; called once after `load_components`."""
        return

    def prepare(self, **kwargs: Any) -> Requirements | None:
        """Say what the next chunk takes; called before each with all settings.

        ``video=True`` is among ``kwargs`` in video mode. ``None`` means no input (text mode).
        """
        return None

    @abstractmethod
    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        """Compute one chunk from the settings and, in video mode, ``video``.

        ``video`` is a list of ``input_size`` tensors ``(1, H, W, 3)`` uint8 RGB on the stage's
        device, or what ``accepts`` says. ``init_cache`` is true on the first chunk. Returns
        ``{"video": tensor}`` with ``(T, H, W, 3)``, float in [0, 1] or uint8, and optionally
        ``frame_rate``, ``audio`` and ``data``, which is JSON-ready and goes to clients.
        """

    def close(self) -> None:  # noqa: B027  nothing to free by default
        """Free what the session's state holds; called once."""


def prepare_for_mode(
    pipeline: type[Pipeline] | Pipeline, config: object, kwargs: Mapping[str, Any]
) -> Requirements | None:
    """`prepare` for pipelines with both modes: a block of frames in video mode, else ``None``."""
    if kwargs.get("video") is None:
        return None
    frames = _read(config, "num_frame_per_block", DEFAULT_FRAMES_PER_BLOCK)
    factor = _read(config, "vae_temporal_downsample_factor", DEFAULT_VAE_TEMPORAL_FACTOR)
    return Requirements(input_size=frames * factor)


def _read(config: object, name: str, default: int) -> int:
    if isinstance(config, Mapping):
        return int(config.get(name, default))  # pyright: ignore[reportUnknownArgumentType]
    return int(getattr(config, name, default))
