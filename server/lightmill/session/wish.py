"""What a client may ask of a session's chain, as ``docs/protocol.md`` writes it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = (
    "use 1 to 64 letters, digits, dots, dashes and underscores, starting with a letter or digit"
)
MAIN = "main"
"""The id by which the main pipeline is named among the stages."""


def checked_name(name: str) -> str:
    """Return ``name`` or raise ``ValueError`` with the rule."""
    if not NAME.fullmatch(name):
        raise ValueError(NAME_RULE)
    return name


def checked_stage_id(name: str) -> str:
    """Return an id for a preprocessor or postprocessor, or raise ``ValueError``."""
    if checked_name(name) == MAIN:
        raise ValueError(f"{MAIN!r} is the main pipeline's; choose another id")
    return name


class StageWish(BaseModel):
    """One preprocessor or postprocessor. An ``id`` that runs keeps its stage, state and all."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, AfterValidator(checked_stage_id)] | None = None
    pipeline: str
    settings: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True


class ChainWish(BaseModel):
    """What is to change; what is not named stays. A list replaces the whole list.

    Plain JSON both ways (``model_dump``, ``model_validate``), so that it can go to another process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pipeline: str | None = None
    mode: str | None = None
    settings: dict[str, Any] | None = None
    preprocessors: list[StageWish] | None = None
    postprocessors: list[StageWish] | None = None

    @property
    def chain(self) -> ChainWish:
        """Only the chain of a body that says more."""
        return ChainWish(**{name: getattr(self, name) for name in ChainWish.model_fields})

    @property
    def empty(self) -> bool:
        return self == ChainWish()

    @property
    def names_main(self) -> bool:
        """Whether the main pipeline is to be loaded anew."""
        return (self.pipeline, self.mode, self.settings) != (None, None, None)
