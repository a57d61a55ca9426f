"""Reading requests strictly: type, size, encoding, and every field by name."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar, get_args

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lightmill.errors import FieldError, InvalidInput
from lightmill.session.wish import ChainWish, checked_name

Model = TypeVar("Model", bound=BaseModel)

Codec = Literal["auto", "h264", "vp8"]
SessionName = Annotated[str, AfterValidator(checked_name)]


class SessionChoice(ChainWish):
    """What ``PATCH /sessions/{name}`` takes."""

    codec: Codec | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(_Body):
    """What ``PUT /sessions/{name}/source`` takes."""

    url: str = Field(min_length=1, max_length=2048)
    loop: bool = False


class NewSession(SessionChoice):
    """What ``POST /sessions`` takes."""

    name: SessionName | None = None
    source: Source | None = None
    preset: str | None = None


class Offer(SessionChoice):
    """What ``POST /offer`` takes."""

    sdp: str = Field(min_length=1)
    type: Literal["offer"]
    session: SessionName | None = None
    preset: str | None = None


class NewPreset(_Body):
    """What ``POST /presets`` takes."""

    name: str
    session: SessionName
    description: str = Field("", max_length=1000)
    replace: bool = False


class PresetChoice(_Body):
    """What ``POST /sessions/{name}/preset`` takes: one of the two."""

    name: str | None = None
    preset: dict[str, Any] | None = None


class NewSink(_Body):
    """What ``POST /sessions/{name}/sinks`` takes."""

    url: str = Field(min_length=1)
    audio: Literal["opus", "aac"] | None = None


def path_name(request: web.Request) -> str:
    """The session's name in the path. Raises `InvalidInput`."""
    name = request.match_info["session"]
    try:
        return checked_name(name)
    except ValueError as error:
        message = f"{name[:80]!r} is no session name: {error}"
        raise InvalidInput(message, (FieldError("session", str(error)),)) from error


def query_codec(request: web.Request) -> str | None:
    """The codec that the query prefers. Raises `InvalidInput`."""
    codec = request.query.get("codec")
    if codec is not None and codec not in get_args(Codec):
        message = f"{codec[:80]!r} is no codec; use one of {', '.join(get_args(Codec))}"
        raise InvalidInput(message, (FieldError("codec", message),))
    return codec


async def read_text(request: web.Request, content_type: str) -> str:
    """The body as text of exactly this content type; 415, 413 or 400 otherwise."""
    if request.content_type != content_type:
        raise web.HTTPUnsupportedMediaType(
            text=f"the body is {request.content_type}; send Content-Type: {content_type}"
        )
    try:
        return (await request.read()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest(text="the body is not UTF-8; encode it so") from error


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body counts as ``{}``."""
    text = await read_text(request, "application/json")
    try:
        value: Any = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object; send {...}")
    return value  # pyright: ignore[reportUnknownVariableType]


async def read_model(request: web.Request, model: type[Model]) -> Model:
    """The body as ``model``. Raises `InvalidInput` naming every wrong field."""
    value = await read_object(request)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fields = tuple(
            FieldError(".".join(str(part) for part in item["loc"]), item["msg"])
            for item in error.errors()
        )
        summary = "; ".join(f"{field.field}: {field.message}" for field in fields)
        raise InvalidInput(summary, fields) from error
