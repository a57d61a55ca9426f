"""The config class of a pipeline: its metadata, its modes, its settings and how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUndefined, to_jsonable_python

from lightmill.errors import FieldError, InvalidSettings
from lightmill.pipelines.artifacts import Artifact

CONTROLS_FIELD = "ctrl_input"
"""A config that declares this field gets keyboard and mouse; it is never a setting."""

PRESET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
ModeName = Literal["text", "video"]


class UsageType(StrEnum):
    """Where in a chain a pipeline may stand besides its main place."""

    PREPROCESSOR = "preprocessor"
    POSTPROCESSOR = "postprocessor"


class ModeDefaults(BaseModel):
    """Defaults that differ in one mode; any field of the config class may be named."""

    model_config = ConfigDict(extra="allow", frozen=True)
    default: bool = False

    if TYPE_CHECKING:

        def __init__(self, *, default: bool = False, **overrides: Any) -> None: ...

    def overrides(self) -> dict[str, Any]:
        return {**(self.model_extra or {})}


@dataclass(frozen=True, slots=True)
class CtrlInput:
    """Keys held now (W3C ``code`` names, ``MouseLeft``...) and mouse movement since the last chunk."""

    button: frozenset[str] | set[str] = frozenset()
    mouse: tuple[float, float] = (0.0, 0.0)


def ui_field_config(
    *,
    order: int | None = None,
    component: str | None = None,
    modes: Sequence[ModeName] | None = None,
    is_load_param: bool = False,
    label: str | None = None,
    category: Literal["configuration", "input"] = "configuration",
    multiline: bool = False,
    file: str | None = None,
) -> dict[str, Any]:
    """How the page shows a field: pass the result as the field's ``json_schema_extra``.

    ``component`` groups fields into one block; ``modes`` hides the field in other modes;
    ``is_load_param`` freezes it while the pipeline runs. A text with ``multiline`` gets several
    lines, and one with ``file`` (such as ``".cube"``) can be read from a file of that ending. Of
    ``"image/png,image/jpeg"`` the page makes a ``data:`` URL, scaled to fit ``max_length``.
    """
    optional = {"order": order, "component": component, "label": label, "file": file}
    ui: dict[str, Any] = {"category": category, "is_load_param": is_load_param}
    ui.update({key: value for key, value in optional.items() if value is not None})
    if modes is not None:
        ui["modes"] = list(modes)
    if multiline or file is not None:
        ui["multiline"] = True
    return {"ui": ui}


class BasePipelineConfig(BaseModel):
    """Subclass it: class variables describe the pipeline, fields are its settings."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    pipeline_id: ClassVar[str] = "base"
    pipeline_name: ClassVar[str] = "Base"
    pipeline_description: ClassVar[str] = ""
    pipeline_version: ClassVar[str] = "1.0.0"
    docs_url: ClassVar[str | None] = None
    estimated_vram_gb: ClassVar[float | None] = None
    artifacts: ClassVar[list[Artifact]] = []
    supports_lora: ClassVar[bool] = False
    supports_vace: ClassVar[bool] = False
    supports_cache_management: ClassVar[bool] = False
    supports_quantization: ClassVar[bool] = False
    supports_kv_cache_bias: ClassVar[bool] = False
    usage: ClassVar[list[UsageType]] = []
    fails_closed: ClassVar[bool] = False
    """As a preprocessor or postprocessor that gave up it stops the picture instead of being
    bypassed: for what hides something that must not be seen."""
    modes: ClassVar[dict[str, ModeDefaults]] = {"text": ModeDefaults(default=True)}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Settings by a short name: starting points, in the default mode. What one leaves out is at its default."""

    height: int = Field(default=512, ge=16, le=4096, description="Height in pixels")
    width: int = Field(default=512, ge=16, le=4096, description="Width in pixels")

    @classmethod
    def supported_modes(cls) -> list[str]:
        return list(cls.modes)

    @classmethod
    def default_mode(cls) -> str:
        """The first mode that is marked as default, else the first."""
        return next(
            (name for name, mode in cls.modes.items() if mode.default), next(iter(cls.modes))
        )

    @classmethod
    def settings_fields(cls) -> list[str]:
        return [name for name in cls.model_fields if name != CONTROLS_FIELD]

    @classmethod
    def load_params(cls) -> frozenset[str]:
        """The fields that are fixed while the pipeline runs."""
        marked: set[str] = set()
        for name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            ui = cast("dict[str, Any]", extra.get("ui", {})) if isinstance(extra, dict) else {}
            if ui.get("is_load_param"):
                marked.add(name)
        return frozenset(marked)

    @classmethod
    def defaults_for_mode(cls, mode: str) -> dict[str, Any]:
        """The effective default of every setting in ``mode``, JSON-ready; required fields are absent."""
        values: dict[str, Any] = {}
        for name in cls.settings_fields():
            default = cls.model_fields[name].get_default(
                call_default_factory=True, validated_data={}
            )
            if default is not PydanticUndefined:
                values[name] = default
        if mode in cls.modes:
            values.update(cls.modes[mode].overrides())
        return cls.to_json(values)

    @classmethod
    def validate_settings(cls, mode: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Mode defaults, then ``values``: every setting, validated and typed.

        Raises:
            InvalidSettings: one `FieldError` for each value that is refused.

        """
        known = cls.settings_fields()
        unknown = [name for name in values if name not in known]
        if unknown:
            names = ", ".join(known)
            message = f"{cls.pipeline_id} has no such setting; its settings are {names}"
            raise InvalidSettings(
                f"{', '.join(unknown)}: {message}",
                tuple(FieldError(name, message) for name in unknown),
            )
        try:
            model = cls(**{**cls.defaults_for_mode(mode), **values})
        except ValidationError as error:
            fields = tuple(
                FieldError(".".join(str(part) for part in item["loc"]) or "settings", item["msg"])
                for item in error.errors()
            )
            summary = "; ".join(f"{field.field}: {field.message}" for field in fields)
            raise InvalidSettings(summary, fields) from error
        return {name: getattr(model, name) for name in known}

    @classmethod
    def to_json(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same settings as plain JSON values."""
        return to_jsonable_python(dict(values))

    @classmethod
    def check_presets(cls) -> None:
        """Look at what the pipeline brings.

        Raises:
            InvalidSettings: the pipeline itself refuses one, or its name is no `PRESET_NAME`.

        """
        for name, settings in cls.presets.items():
            if not PRESET_NAME.fullmatch(name):
                message = "a preset's name has lower-case letters, digits and dashes, 40 at most"
                raise InvalidSettings(f"{name!r}: {message}", (FieldError(name, message),))
            try:
                cls.validate_settings(cls.default_mode(), settings)
            except InvalidSettings as error:
                raise InvalidSettings(f"its preset {name!r}: {error}", error.fields) from error

    @classmethod
    def presets_json(cls) -> dict[str, dict[str, Any]]:
        """The presets as plain JSON values."""
        return {name: cls.to_json(settings) for name, settings in cls.presets.items()}

    @classmethod
    def settings_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the settings (without ``ctrl_input``)."""
        return _settings_schema(cls)


@cache
def _settings_schema(config: type[BasePipelineConfig]) -> dict[str, Any]:
    schema = config.model_json_schema()
    schema.get("properties", {}).pop(CONTROLS_FIELD, None)
    schema.get("$defs", {}).pop(CtrlInput.__name__, None)
    return schema
