"""The document that a preset is: written strictly, read as whatever another version wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field

import lightmill
from lightmill.errors import Conflict, FieldError, InvalidInput

FORMAT = 1
FORMAT_KEY = "lightmill_preset"
STAGE_LISTS = ("preprocessors", "postprocessors")
STAGE_KEYS = ("id", "pipeline", "settings", "enabled")
CHAIN_KEYS = ("pipeline", "mode", "settings", *STAGE_LISTS)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PresetStage(_Part):
    """One stage before or after the main pipeline."""

    id: str | None = Field(None, description="A stage that runs under this id keeps its state")
    pipeline: str
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    enabled: bool = True


class PresetChain(_Part):
    """The whole chain: what it does not name is at its default or absent."""

    pipeline: str
    mode: str | None = Field(None, description="The pipeline's default mode where absent")
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    preprocessors: list[PresetStage] = Field(default_factory=list[PresetStage])
    postprocessors: list[PresetStage] = Field(default_factory=list[PresetStage])


class Preset(_Part):
    """What this version writes; `read_preset` takes more."""

    lightmill_preset: Literal[1] = Field(FORMAT, description="The format's number")
    name: str
    description: str = ""
    made_by: str = Field(description="The version of Lightmill that wrote it")
    chain: PresetChain


def preset_schema() -> dict[str, Any]:
    """The JSON Schema of what this version writes, as ``docs/preset.schema.json`` holds it."""
    schema = Preset.model_json_schema()
    schema["required"] = sorted({*schema["required"], FORMAT_KEY})
    return schema


def read_preset(value: object) -> dict[str, Any]:
    """Take a preset of any version: only what makes it a preset is checked, all of it is kept.

    Raises:
        InvalidInput: it is no preset at all.

    """
    if not isinstance(value, dict):
        _refuse(FORMAT_KEY, "is no JSON object; send a preset as docs/protocol.md shows it")
    document = cast("dict[str, Any]", value)
    number = document.get(FORMAT_KEY)
    if type(number) is not int or number < 1:
        _refuse(FORMAT_KEY, f'must be a format\'s number, as in {{"{FORMAT_KEY}": {FORMAT}, ...}}')
    if not isinstance(document.get("chain"), dict):
        _refuse("chain", 'must be an object, as in {"pipeline": ID, "settings": {...}}')
    return document


def parse_preset(text: str | bytes) -> dict[str, Any]:
    """Read a preset's file. Raises `InvalidInput`."""
    try:
        value: object = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        message = f"is not JSON: {error}"
        raise InvalidInput(f"the preset {message}", (FieldError("preset", message),)) from error
    return read_preset(value)


def encode_preset(document: Mapping[str, Any]) -> bytes:
    """Raises `InvalidInput` where a value is no JSON: infinite, or nested too deeply."""
    try:
        return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()
    except (ValueError, RecursionError) as error:
        message = f"cannot be written as JSON: {error}"
        raise InvalidInput(f"the preset {message}", (FieldError("preset", message),)) from error


def preset_of(session: Mapping[str, Any], name: str, description: str = "") -> dict[str, Any]:
    """What a SESSION of the protocol runs, as a preset.

    Raises:
        Conflict: its pipeline is still being loaded.

    """
    if session["pipeline"] is None:
        raise Conflict(f"{session['name']} still loads its pipeline; save it when it is ready")
    chain: dict[str, Any] = {key: session[key] for key in ("pipeline", "mode", "settings")}
    for place in STAGE_LISTS:
        stages = session.get(place, [])
        chain[place] = [{key: stage[key] for key in STAGE_KEYS if key in stage} for stage in stages]
    return new_preset(name, chain, description)


def new_preset(name: str, chain: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """A document of this version."""
    preset = Preset.model_validate(
        {"name": name, "description": description, "made_by": lightmill.__version__, "chain": chain}
    )
    document = preset.model_dump(mode="json")
    for place in STAGE_LISTS:
        for stage in document["chain"][place]:
            if stage["id"] is None:
                del stage["id"]
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidInput(f"{field} {message}", (FieldError(field, message),))
