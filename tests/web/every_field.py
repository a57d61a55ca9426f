"""Every kind of field that a config class can have. Prints the fixture for the page's tests:

python tests/web/every_field.py > tests/web/every_field.json
"""

from __future__ import annotations

import json
from enum import Enum, IntEnum
from typing import ClassVar, Literal

from pydantic import Field

from lightmill import BasePipelineConfig, ModeDefaults, ui_field_config


class Flavour(Enum):
    SWEET = "sweet"
    SOUR = "sour"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


UI = ui_field_config()


class EveryField(BasePipelineConfig):
    pipeline_id: ClassVar[str] = "every-field"
    modes: ClassVar[dict[str, ModeDefaults]] = {"video": ModeDefaults(bounded=0.75)}

    bounded: float = Field(0.5, ge=0, le=1, json_schema_extra=ui_field_config(order=2))
    first: float = Field(0.5, gt=0, lt=1, json_schema_extra=ui_field_config(order=1, label="First"))
    nullable_bounded: float | None = Field(None, ge=0, le=2, json_schema_extra=UI)
    lines: str = Field("a\nb", max_length=99, json_schema_extra=ui_field_config(file=".txt"))
    free: float = Field(2.5, json_schema_extra=UI)
    negative: int = Field(-3, json_schema_extra=UI)
    negative_minimum: int = Field(-3, ge=-10, le=10, json_schema_extra=UI)
    exclusive_int: int = Field(5, gt=0, lt=10, json_schema_extra=UI)
    stepped: int = Field(8, ge=0, le=64, multiple_of=8, json_schema_extra=UI)
    literal: Literal["a", "b"] = Field("a", json_schema_extra=UI)
    int_literal: Literal[1, 2] = Field(1, json_schema_extra=UI)
    constant: Literal["only"] = Field("only", json_schema_extra=UI)
    enum: Flavour = Field(Flavour.SWEET, json_schema_extra=UI)
    int_enum: Size = Field(Size.SMALL, json_schema_extra=UI)
    nullable_enum: Flavour | None = Field(None, json_schema_extra=UI)
    nullable_literal: Literal["a", "b"] | None = Field(None, json_schema_extra=UI)
    toggle: bool = Field(True, json_schema_extra=UI)
    text: str = Field("hello", max_length=8, json_schema_extra=UI)
    nullable_text: str | None = Field(None, json_schema_extra=UI)
    numbers: list[int] = Field(default_factory=lambda: [3, 1], json_schema_extra=UI)
    mapping: dict[str, float] = Field(default_factory=dict, json_schema_extra=UI)
    only_text: int = Field(1, json_schema_extra=ui_field_config(modes=["text"]))
    load: int = Field(1, json_schema_extra=ui_field_config(is_load_param=True))
    hidden: int = 1


if __name__ == "__main__":
    schema = EveryField.settings_schema()
    defaults = EveryField.defaults_for_mode("video")
    print(json.dumps({"schema": schema, "defaults": defaults}, indent=1))
