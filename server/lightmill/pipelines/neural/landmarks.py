"""What pipelines share that follow faces, hands or people from picture to picture."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from lightmill.pipelines.artifacts import Files
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.neural.frames import to_array
from lightmill.pipelines.neural.model_files import load_networks


class LandmarkPipeline(Pipeline):
    """One picture a chunk; what is followed is forgotten when the stream starts or its size changes."""

    def __init__(
        self, *, device: torch.device, components: object | None = None, **settings: Any
    ) -> None:
        super().__init__(device=device, components=components, **settings)
        self._size: tuple[int, ...] = ()

    @classmethod
    def load_components(
        cls, config: BasePipelineConfig, device: torch.device, files: Files
    ) -> object | None:
        return load_networks(config.artifacts, files)

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def _picture_of(self, settings: dict[str, Any]) -> np.ndarray:
        """The chunk's picture, ``(H, W, 3)`` uint8."""
        picture = to_array(settings["video"][0])
        if picture.shape != self._size or settings.get("init_cache"):
            self._size = picture.shape
            self._forget()
        return picture

    @abstractmethod
    def _forget(self) -> None:
        """Follow nothing any more."""
