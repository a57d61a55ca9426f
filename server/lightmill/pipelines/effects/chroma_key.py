"""A coloured wall behind somebody becomes another background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from lightmill.hookspecs import hookimpl
from lightmill.pipelines.config import BasePipelineConfig, ModeDefaults, UsageType, ui_field_config
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.effects.frames import (
    HEX_COLOUR,
    PlaneEffect,
    Settings,
    rgb_of_hex,
    yuv_of,
)
from lightmill.pipelines.opencv import Picture, cv2, resized
from lightmill.planes import YuvPlanes

CHROMA_REACH = 180.0
"""Levels of chroma that a tolerance or softness of 1 spans: the distance of red from green."""
CHECKER_SQUARE_PX = 16
CHECKER_GRAYS = ((102, 102, 102), (153, 153, 153))
GREY = 128


class ChromaKeyConfig(BasePipelineConfig):
    """What goes, how softly, and what comes instead."""

    pipeline_id: ClassVar[str] = "chroma-key"
    pipeline_name: ClassVar[str] = "Chroma key"
    pipeline_description: ClassVar[str] = (
        "Replaces one colour, such as a green wall, by another background."
    )
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR, UsageType.POSTPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "green-screen": {"key_colour": "#00b140"},
        "blue-screen": {"key_colour": "#0047bb"},
        "set-up": {"background": "matte"},
        "black": {"background": "black"},
    }

    key_colour: str = Field(
        default="#00b140",
        pattern=HEX_COLOUR,
        description="The colour that goes, #rrggbb; #00b140 is the paint of green screens",
        json_schema_extra=ui_field_config(order=1, label="Key colour"),
    )
    tolerance: float = Field(
        default=0.22,
        ge=0,
        le=1,
        description="How unlike the key a colour may be and still go entirely",
        json_schema_extra=ui_field_config(order=2, label="Tolerance"),
    )
    softness: float = Field(
        default=0.12,
        ge=0,
        le=1,
        description="From there on, over how much difference the picture comes back: soft edges",
        json_schema_extra=ui_field_config(order=3, label="Softness"),
    )
    spill: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Takes the wall's reflection out of hair and skin",
        json_schema_extra=ui_field_config(order=4, label="Spill suppression"),
    )
    background: Literal["colour", "gradient", "checker", "black", "matte"] = Field(
        default="gradient",
        description="What stands behind; matte shows the mask itself, to set the key by",
        json_schema_extra=ui_field_config(order=5, label="Background"),
    )
    background_colour: str = Field(
        default="#2b4a8b", pattern=HEX_COLOUR, description="For colour and gradient, #rrggbb",
        json_schema_extra=ui_field_config(order=6, label="Background colour"),
    )  # fmt: skip


def key_tables(
    key: tuple[int, int], tolerance: float, softness: float, spill: float
) -> tuple[Picture, Picture, Picture]:
    """For each pair of chroma levels: how opaque it is, and its U and V without spill.

    ``(256, 256)`` uint8 each, by ``[u, v]``. Only the part of a colour that points to the key is
    spill, so skin and gray keep theirs.
    """
    u, v = np.meshgrid(np.arange(256.0), np.arange(256.0), indexing="ij")
    distance = np.hypot(u - key[0], v - key[1])
    inner, width = tolerance * CHROMA_REACH, max(softness * CHROMA_REACH, 1e-3)
    share = np.clip((distance - inner) / width, 0, 1)
    alpha = share * share * (3 - 2 * share)  # smoothstep: no visible seam at either end
    to_key = np.array(key, np.float64) - GREY
    length = np.linalg.norm(to_key)
    if length > 0:
        to_key /= length
    towards = (u - GREY) * to_key[0] + (v - GREY) * to_key[1]
    excess = np.maximum(towards, 0) * spill
    clean = (u - excess * to_key[0], v - excess * to_key[1])
    opacity, clean_u, clean_v = (
        np.rint(table).clip(0, 255).astype(np.uint8) for table in (alpha * 255, *clean)
    )
    return opacity, clean_u, clean_v


def backdrop(kind: str, colour: tuple[int, int, int], planes: YuvPlanes) -> list[Picture]:
    """The background's planes, in the size of ``planes``."""
    height, width = planes.u.shape
    rgb = np.empty((height, width, 3))
    rgb[:] = (0, 0, 0) if kind == "black" else colour
    if kind == "gradient":
        rgb *= np.linspace(1.25, 0.35, height)[:, None, None]
    if kind == "checker":
        square = CHECKER_SQUARE_PX // 2
        odd = (np.arange(height)[:, None] // square + np.arange(width)[None, :] // square) % 2
        rgb = np.array(CHECKER_GRAYS, np.float64)[odd]
    y, u, v = _planes_of(np.clip(rgb, 0, 255), planes)
    size = planes.y.shape
    return [resized(y, size[1], size[0], cv2.INTER_NEAREST), u, v]


def _planes_of(rgb: Picture, planes: YuvPlanes) -> list[Picture]:
    """`yuv_of` for a whole picture: it is linear, so four colours give its matrix."""
    kind = (planes.matrix, planes.full_range)
    zero, *axes = (
        np.array(yuv_of(colour, *kind), np.float64)
        for colour in ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
    )
    matrix = np.stack([axis - zero for axis in axes]) / 255
    return list(np.moveaxis(np.rint(rgb @ matrix + zero).clip(0, 255).astype(np.uint8), -1, 0))


class ChromaKey(PlaneEffect):
    """Looks only at chroma, by table; luma is only blended, so the wall's shadows do not matter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tables: tuple[object, tuple[Picture, Picture, Picture]] | None = None
        self._backdrop: tuple[object, list[Picture]] | None = None

    @classmethod
    def get_config_class(cls) -> type[ChromaKeyConfig]:
        return ChromaKeyConfig

    def restart(self) -> None:
        self._tables = self._backdrop = None

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        y, u, v = arrays
        opacity, clean_u, clean_v = self._tables_for(planes, settings)
        pairs = u.astype(np.uint16) << 8 | v  # (H/2, W/2)
        alpha = cv2.blur(opacity.ravel().take(pairs), (3, 3))  # codecs leave noise in chroma
        full = resized(alpha, y.shape[1], y.shape[0], cv2.INTER_LINEAR)
        if settings["background"] == "matte":
            white = np.full_like(u, GREY)
            return [full if planes.full_range else _limited(full), white, white.copy()]
        behind = self._backdrop_for(planes, settings)
        front = (y, clean_u.ravel().take(pairs), clean_v.ravel().take(pairs))
        return [
            _mixed(one, two, mask)
            for one, two, mask in zip(front, behind, (full, alpha, alpha), strict=True)
        ]

    def _tables_for(
        self, planes: YuvPlanes, settings: Settings
    ) -> tuple[Picture, Picture, Picture]:
        wanted = tuple(settings[name] for name in ("key_colour", "tolerance", "softness", "spill"))
        if self._tables is None or self._tables[0] != wanted:
            colour, *rest = wanted
            _, u, v = yuv_of(rgb_of_hex(colour), planes.matrix, planes.full_range)
            self._tables = (wanted, key_tables((u, v), *rest))
        return self._tables[1]

    def _backdrop_for(self, planes: YuvPlanes, settings: Settings) -> list[Picture]:
        wanted = (settings["background"], settings["background_colour"])
        if self._backdrop is None or self._backdrop[0] != wanted:
            made = backdrop(wanted[0], rgb_of_hex(wanted[1]), planes)
            self._backdrop = (wanted, made)
        return self._backdrop[1]


def _limited(level: Picture) -> Picture:
    table = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(level, table))


def _mixed(front: Picture, behind: Picture, alpha: Picture) -> Picture:
    """``front`` where ``alpha`` is 255, ``behind`` where it is 0."""
    shown = cv2.multiply(front, alpha, scale=1 / 255, dtype=cv2.CV_16U)
    hidden = cv2.multiply(behind, cv2.bitwise_not(alpha), scale=1 / 255, dtype=cv2.CV_16U)
    return np.asarray(cv2.add(shown, hidden, dtype=cv2.CV_8U))


@hookimpl
def register_pipelines(register: Callable[[type[Pipeline]], None]) -> None:
    register(ChromaKey)
