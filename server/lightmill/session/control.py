"""The data channel ``control``: JSON in, JSON out, as ``docs/protocol.md`` says."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, Protocol

from aiortc import RTCDataChannel
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lightmill.errors import FieldError, InvalidInput, LightmillError
from lightmill.session.brief import brief_session, brief_settings
from lightmill.session.wish import MAIN, ChainWish

logger = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 262_144
MAX_BUFFERED_BYTES = 1_048_576
"""A client that does not read loses pushed messages beyond this."""
MAX_BUFFERED_DATA_BYTES = 131_072
"""Data waits for no slow reader: beyond this it is dropped, long before other messages are."""
MAX_KEYS = 64


class ControlTarget(Protocol):
    """What a channel may ask of its session."""

    async def update_settings(
        self, settings: dict[str, Any], stage: str = MAIN
    ) -> dict[str, Any]: ...

    async def update(self, chain: ChainWish) -> dict[str, Any]: ...

    def control(self, keys: list[str], dx: float, dy: float) -> None: ...


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: Any = None  # any JSON value, echoed


class _Settings(_Message):
    type: Literal["settings"]
    settings: dict[str, Any]
    stage: str = MAIN


class _Session(ChainWish):
    type: Literal["session"]
    id: Any = None


class _Controls(_Message):
    type: Literal["controls"]
    keys: list[str] = Field(max_length=MAX_KEYS)
    mouse: tuple[
        Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]
    ] = (0.0, 0.0)


class _Ping(_Message):
    type: Literal["ping"]


class _Subscribe(_Message):
    type: Literal["subscribe"]
    data: bool


_MESSAGE: TypeAdapter[_Settings | _Session | _Controls | _Ping | _Subscribe] = TypeAdapter(
    Annotated[_Settings | _Session | _Controls | _Ping | _Subscribe, Field(discriminator="type")]
)


class ControlChannel:
    """One peer's channel. ``spawn`` owns the tasks that answer.

    A viewer may only ping and subscribe. ``wants_data`` says whether the client subscribed to data.
    """

    def __init__(
        self,
        channel: RTCDataChannel,
        target: ControlTarget | None,
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self._channel = channel
        self._target = target
        self._spawn = spawn
        self.wants_data = False
        channel.on("message", self._on_message)

    def push(self, message: dict[str, Any]) -> None:
        """Send without waiting; dropped when the client does not read or has left."""
        channel = self._channel
        if channel.readyState == "open" and channel.bufferedAmount < MAX_BUFFERED_BYTES:
            channel.send(json.dumps(message))

    def push_data(self, text: str) -> bool:
        """Send a message that is JSON already; ``False`` when it was dropped."""
        channel = self._channel
        if channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED_DATA_BYTES:
            return False
        channel.send(text)
        return True

    def _on_message(self, data: str | bytes) -> None:
        identity: Any = None
        try:
            raw = _decode(data)
            identity = raw.get("id")
            message = _parse(raw)
            if isinstance(message, _Ping):
                self.push({"type": "pong", "id": identity})
                return
            if isinstance(message, _Subscribe):
                self.wants_data = message.data
                self.push({"type": "subscribe", "id": identity, "data": message.data})
                return
            target = self._permitted()
            if isinstance(message, _Controls):
                target.control(message.keys, *message.mouse)
                return
            self._spawn(self._answer(target, message))
        except LightmillError as error:
            self._refuse(identity, error)

    def _permitted(self) -> ControlTarget:
        if self._target is None:
            raise InvalidInput(
                "a viewer may only ping and subscribe; change settings as the publisher or by PATCH"
            )
        return self._target

    async def _answer(self, target: ControlTarget, message: _Settings | _Session) -> None:
        try:
            if isinstance(message, _Settings):
                changed = await target.update_settings(message.settings, message.stage)
                reply = brief_settings(changed)
            else:
                reply = {"session": brief_session(await target.update(message.chain))}
        except LightmillError as error:
            self._refuse(message.id, error)
        else:
            self.push({"type": message.type, "id": message.id, **reply})

    def _refuse(self, identity: Any, error: LightmillError) -> None:
        body: dict[str, Any] = {"code": error.code, "message": str(error), "fields": []}
        if isinstance(error, InvalidInput):
            body["fields"] = [field.to_json() for field in error.fields]
        self.push({"type": "error", "id": identity, "error": body})


def _decode(data: str | bytes) -> dict[str, Any]:
    if len(data) > MAX_MESSAGE_CHARS:
        raise InvalidInput(f"the message is longer than {MAX_MESSAGE_CHARS} characters; send less")
    try:
        raw: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the message is not JSON; send one JSON object") from error
    if not isinstance(raw, dict):
        raise InvalidInput("the message is not a JSON object; send one with a type")
    return raw  # pyright: ignore[reportUnknownVariableType]


def _parse(raw: dict[str, Any]) -> _Settings | _Session | _Controls | _Ping | _Subscribe:
    try:
        return _MESSAGE.validate_python(raw)
    except ValidationError as error:
        fields = tuple(
            FieldError(".".join(str(part) for part in item["loc"]) or "type", item["msg"])
            for item in error.errors()
        )
        first = fields[0]
        raise InvalidInput(f"{first.field}: {first.message}", fields) from error
