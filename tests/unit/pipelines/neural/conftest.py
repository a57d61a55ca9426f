"""Pipelines with their real networks."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from lightmill.pipelines.contract import Pipeline
from tests.artifact_files import fetch

CPU = torch.device("cpu")


@cache
def components_of(pipeline: type[Pipeline]) -> object:
    config = pipeline.get_config_class()
    return pipeline.load_components(config(), CPU, fetch(config.artifacts))


class Session:
    """One session's instance, called as a stage calls it."""

    def __init__(self, pipeline: type[Pipeline], **settings: Any) -> None:
        self.config = pipeline.get_config_class()
        self.settings = self.config.validate_settings("video", settings)
        self.pipeline = pipeline(device=CPU, components=components_of(pipeline), **self.settings)
        self._first = True

    def __call__(self, *pictures: Any, **changed: Any) -> list[Any]:
        """What each picture becomes, in a chunk of its own."""
        self.settings |= changed
        made: list[Any] = []
        for picture in pictures:
            with torch.inference_mode():
                result = self.pipeline(**self.settings, video=[picture], init_cache=self._first)
            self._first = False
            made.extend(result["video"])
        return made


@pytest.fixture
def session():
    opened: list[Session] = []

    def make(pipeline: type[Pipeline], **settings: Any) -> Session:
        opened.append(Session(pipeline, **settings))
        return opened[-1]

    yield make
    for one in opened:
        one.pipeline.close()
