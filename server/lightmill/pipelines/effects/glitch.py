"""A bad tape and a broken stream: torn lines, slipped colours, blocks of the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import PlaneEffect, Settings
from lightmill.pipelines.opencv import Picture
from lightmill.planes import YuvPlanes

BURST_FRAMES = 5
"""A fault stays for so many frames: shorter ones are not seen, longer ones look meant."""
MAX_BANDS = 14
MAX_BLOCKS = 18
MAX_SHIFT = 0.22
"""Of the width, at full amount."""
BLOCK_PX = 16
"""A macroblock of H.264."""


class GlitchConfig(BasePipelineConfig):
    """How bad, how often, and which faults."""

    pipeline_id: ClassVar[str] = "glitch"
    pipeline_name: ClassVar[str] = "Glitch"
    pipeline_description: ClassVar[str] = "Torn lines, slipped colours and stale blocks."
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bad-tape": {"amount": 0.25, "rate": 0.4, "colour_slip": 0.6, "scan_lines": 0.5},
        "broken": {"amount": 1, "rate": 0.9, "colour_slip": 1},
        "colour-slip": {"amount": 0, "rate": 0, "colour_slip": 0.7, "scan_lines": 0},
    }

    amount: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How far lines tear and how many blocks are stale; 0 leaves the picture whole",
        json_schema_extra=ui_field_config(order=1, label="Amount"),
    )
    rate: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Share of the time in which something is broken",
        json_schema_extra=ui_field_config(order=2, label="Rate"),
    )
    colour_slip: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How far colours slip off their things, all the time",
        json_schema_extra=ui_field_config(order=3, label="Colour slip"),
    )
    scan_lines: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="How dark every other pair of lines is",
        json_schema_extra=ui_field_config(order=4, label="Scan lines"),
    )
    seed: int = Field(
        default=1, ge=0, le=9999, description="The same number breaks the same frames in the same way",
        json_schema_extra=ui_field_config(order=5, label="Seed"),
    )  # fmt: skip


class Glitch(PlaneEffect):
    """What breaks depends on the seed and on how many frames there were, on nothing else."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._n_frames = 0
        self._stale: list[Picture] | None = None

    @classmethod
    def get_config_class(cls) -> type[GlitchConfig]:
        return GlitchConfig

    def restart(self) -> None:
        self._stale = None

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        burst, age = divmod(self._n_frames, BURST_FRAMES)
        self._n_frames += 1
        dice = np.random.default_rng([settings["seed"], burst])
        stale = self._stale
        if age == 0 or stale is None:
            self._stale = [plane.copy() for plane in arrays]
        _slip(arrays, settings["colour_slip"], dice)
        if settings["amount"] > 0 and dice.random() < settings["rate"]:
            if stale is not None:
                _mosh(arrays, stale, settings["amount"], dice)
            _tear(arrays, settings["amount"], dice)
        if settings["scan_lines"] > 0:
            _darken(arrays[0], settings["scan_lines"], 0 if planes.full_range else 16)
        return arrays


def _below(dice: np.random.Generator, limit: int) -> int:
    return int(dice.random() * limit)


def _slip(arrays: list[Picture], amount: float, dice: np.random.Generator) -> None:
    """Move U one way and V the other."""
    far = round(arrays[1].shape[1] * 0.03 * amount * (1 + dice.random()))
    if far:
        arrays[1] = np.roll(arrays[1], far, axis=1)
        arrays[2] = np.roll(arrays[2], -far, axis=1)


def _mosh(
    arrays: list[Picture], stale: list[Picture], amount: float, dice: np.random.Generator
) -> None:
    """Blocks that show what was there some frames ago, from a little beside."""
    height, width = arrays[1].shape
    edge = BLOCK_PX // 2  # of chroma
    for _ in range(round(amount * MAX_BLOCKS * dice.uniform(0.4, 1))):
        rows, columns = edge * (1 + _below(dice, 3)), edge * (2 + _below(dice, 10))
        rows, columns = min(rows, height), min(columns, width)
        top = _below(dice, height - rows + 1) // edge * edge
        left = _below(dice, width - columns + 1) // edge * edge
        beside = _below(dice, width - columns + 1)
        for index, scale in enumerate((2, 1, 1)):
            down = slice(top * scale, (top + rows) * scale)
            here = arrays[index][down, left * scale : (left + columns) * scale]
            there = stale[index][down, beside * scale : (beside + columns) * scale]
            part = tuple(slice(min(ends)) for ends in zip(here.shape, there.shape, strict=True))
            here[part] = there[part]


def _tear(arrays: list[Picture], amount: float, dice: np.random.Generator) -> None:
    """Bands of lines that slip sideways and come in again at the other end."""
    height, width = arrays[1].shape
    for _ in range(max(1, round(amount * MAX_BANDS * dice.uniform(0.5, 1)))):
        thick = max(1, int(height * dice.uniform(0.005, 0.07)))
        top = _below(dice, height)
        far = int(width * MAX_SHIFT * amount * dice.uniform(-1, 1))
        for index, scale in enumerate((2, 1, 1)):
            band = arrays[index][top * scale : (top + thick) * scale]
            band[:] = np.roll(band, far * scale, axis=1)


def _darken(y: Picture, amount: float, black: int) -> None:
    """Every other pair of lines."""
    table = black + (np.arange(256) - black) * (1 - 0.7 * amount)
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    for first in (2, 3):
        y[first::4] = table[y[first::4]]


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(Glitch)
