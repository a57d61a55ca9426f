"""What of a preset can run here: everything else is named, with the reason.

A preset may come from another version, another machine or a text editor, so nothing in it is
trusted: unknown keys, pipelines that are not here, settings that a pipeline no longer has and
values that it refuses are left out one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from lightmill.errors import InvalidSettings, LightmillError
from lightmill.pipelines.config import BasePipelineConfig, UsageType
from lightmill.presets.document import (
    CHAIN_KEYS,
    FORMAT,
    FORMAT_KEY,
    STAGE_KEYS,
    STAGE_LISTS,
    Preset,
)
from lightmill.session.plan import USAGES, new_stage_id
from lightmill.session.wish import MAIN, NAME, checked_stage_id

MAX_LEFT_OUT = 100
"""Entries of a reply; one more says how many there are beyond."""
MAX_FIELD_CHARS = 120
STAGE_MODE = "video"
"""Stages around the main pipeline get its frames."""


class PipelineClass(Protocol):
    """As much of a `Pipeline` class as is needed here."""

    @classmethod
    def get_config_class(cls) -> type[BasePipelineConfig]: ...


class Pipelines(Protocol):
    """Implemented by `PipelineRegistry`."""

    def get(self, pipeline_id: str) -> type[PipelineClass]:
        """The class to run. Raises `PipelineNotFound` or `PipelineUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One thing that is not loaded; ``field`` is its dotted path in the preset."""

    field: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"field": self.field[:MAX_FIELD_CHARS], "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Fitted:
    """``chain`` is a CHAIN of the protocol, with every setting that will be in force and all ids.

    It names no ``pipeline`` when the preset's cannot run here.
    """

    chain: dict[str, Any]
    left_out: tuple[LeftOut, ...]

    def to_json(self) -> dict[str, Any]:
        shown = [entry.to_json() for entry in self.left_out[:MAX_LEFT_OUT]]
        beyond = len(self.left_out) - len(shown)
        if beyond:
            shown.append({"field": "", "reason": f"and {beyond} things more"})
        return {"chain": self.chain, "left_out": shown}


class _Unfit(Exception):
    """The part as a whole cannot be used; the message says why."""


@dataclass(slots=True)
class _Room:
    """What the stages of both lists share."""

    n_left: int
    ids: set[str] = field(default_factory=set[str])

    def take_id(self, identity: object) -> str:
        """Raises ``ValueError`` when it is no id, or another stage has it."""
        if not isinstance(identity, str):
            raise ValueError("it is no text")
        if identity in self.ids:
            raise ValueError("another stage has it")
        self.ids.add(checked_stage_id(identity))
        return identity

    def name_stages(self, stages: Iterable[dict[str, Any]]) -> None:
        """Give an id to each that has none."""
        for stage in stages:
            if "id" not in stage:
                wanted = stage["pipeline"] if NAME.fullmatch(stage["pipeline"]) else "stage"
                stage["id"] = new_stage_id(wanted, self.ids | {MAIN})
                self.ids.add(stage["id"])


Report = Callable[[str, str], None]


def fit(document: Mapping[str, Any], pipelines: Pipelines, max_stages: int) -> Fitted:
    """Take what can run here; ``document`` has passed `read_preset`."""
    left_out: list[LeftOut] = []

    def report(field: str, reason: str) -> None:
        left_out.append(LeftOut(field, reason))

    if document[FORMAT_KEY] > FORMAT:
        report(FORMAT_KEY, f"format {document[FORMAT_KEY]} is newer than {FORMAT}, the one here")
    _report_unknown(document, tuple(Preset.model_fields), "", report)
    given: dict[str, Any] = document["chain"]
    _report_unknown(given, CHAIN_KEYS, "chain.", report)
    chain = _fit_main(given, pipelines, report)
    room = _Room(max_stages)
    for place in STAGE_LISTS:
        chain[place] = _fit_stages(given.get(place, []), place, pipelines, room, report)
    room.name_stages(stage for place in STAGE_LISTS for stage in chain[place])
    return Fitted(chain, tuple(left_out))


def _report_unknown(
    given: Mapping[str, Any], known: tuple[str, ...], path: str, report: Report
) -> None:
    for key in given:
        if key not in known:
            report(f"{path}{key}", "this version does not know it")


def _fit_main(given: dict[str, Any], pipelines: Pipelines, report: Report) -> dict[str, Any]:
    try:
        config = _config_of(given, pipelines)
        mode = given.get("mode")
        if mode is not None and mode not in config.supported_modes():
            modes = ", ".join(config.supported_modes())
            report("chain.mode", f"{config.pipeline_id} has no such mode; its modes are {modes}")
            mode = None
        mode = mode or config.default_mode()
        settings = _fit_settings(config, mode, given.get("settings"), "chain.settings", report)
    except _Unfit as error:
        report("chain.pipeline", str(error))
        for key in ("mode", "settings"):
            if given.get(key):
                report(f"chain.{key}", "it belongs to the pipeline that is left out")
        return {}
    return {"pipeline": config.pipeline_id, "mode": mode, "settings": settings}


def _config_of(given: Mapping[str, Any], pipelines: Pipelines) -> type[BasePipelineConfig]:
    name = given.get("pipeline")
    if not isinstance(name, str):
        raise _Unfit("it names no pipeline")
    try:
        return pipelines.get(name).get_config_class()
    except LightmillError as error:
        raise _Unfit(str(error)) from error


def _fit_stages(
    given: object, place: str, pipelines: Pipelines, room: _Room, report: Report
) -> list[dict[str, Any]]:
    path = f"chain.{place}"
    if not isinstance(given, list):
        report(path, "it is no list of stages")
        return []
    stages: list[dict[str, Any]] = []
    for index, stage in enumerate(cast("list[object]", given)):
        here = f"{path}.{index}"
        try:
            stages.append(_fit_stage(stage, USAGES[place], here, pipelines, room, report))
        except _Unfit as error:
            report(here, str(error))
    return stages


def _fit_stage(
    given: object,
    usage: UsageType,
    path: str,
    pipelines: Pipelines,
    room: _Room,
    report: Report,
) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _Unfit("it is no stage, which is an object with a pipeline")
    stage = cast("dict[str, Any]", given)
    config = _config_of(stage, pipelines)
    if usage not in config.usage or STAGE_MODE not in config.supported_modes():
        raise _Unfit(f"{config.pipeline_id} is no {usage}")
    if not room.n_left:
        raise _Unfit("it is one more than session.max_stages allows")
    _report_unknown(stage, STAGE_KEYS, f"{path}.", report)
    fitted: dict[str, Any] = {"pipeline": config.pipeline_id}
    identity, enabled = stage.get("id"), stage.get("enabled", True)
    fitted["settings"] = _fit_settings(
        config, STAGE_MODE, stage.get("settings"), f"{path}.settings", report
    )
    if not isinstance(enabled, bool):
        report(f"{path}.enabled", "it is neither true nor false")
        enabled = True
    if identity is not None:
        try:
            fitted["id"] = room.take_id(identity)
        except ValueError as error:
            report(f"{path}.id", str(error))
    room.n_left -= 1
    return {**fitted, "enabled": enabled}


def _fit_settings(
    config: type[BasePipelineConfig], mode: str, given: object, path: str, report: Report
) -> dict[str, Any]:
    """All settings in ``mode``: what is given and accepted, defaults for the rest, JSON-ready."""
    if given is None:
        given = {}
    elif not isinstance(given, dict):
        report(path, "it is no object of settings")
        given = {}
    values, known = cast("dict[str, Any]", given), config.settings_fields()
    for name in values:
        if name not in known:
            report(f"{path}.{name}", f"{config.pipeline_id} has no such setting")
    values = {name: value for name, value in values.items() if name in known}
    kept, refused = _accepted(config, mode, values)
    for name, reason in refused.items():
        report(f"{path}.{name}", reason)
    return config.to_json(kept)


def _accepted(
    config: type[BasePipelineConfig], mode: str, values: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The validated settings without those that are refused, and why each is.

    Raises `_Unfit` when a setting without a default has no usable value.
    """
    kept, refused = dict(values), dict[str, str]()
    while True:
        try:
            return config.validate_settings(mode, kept), refused
        except InvalidSettings as error:
            reasons = {entry.field.split(".")[0]: entry.message for entry in error.fields}
            named = [name for name in reasons if name in kept]
            if not named:
                break
            refused |= {name: reasons[name] for name in named}
            kept = {name: value for name, value in kept.items() if name not in named}
    return _accepted_together(config, mode, kept, refused)


def _accepted_together(
    config: type[BasePipelineConfig], mode: str, values: dict[str, Any], refused: dict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """As many as go together, where the config class refuses combinations without naming one."""
    required = {name for name, field in config.model_fields.items() if field.is_required()}
    kept = {name: value for name, value in values.items() if name in required}
    try:
        good = config.validate_settings(mode, kept)
    except InvalidSettings as error:
        why = "; ".join([str(error), *(f"{name}: {text}" for name, text in refused.items())])
        raise _Unfit(f"{config.pipeline_id} needs settings that are not here: {why}") from error
    waiting = {name: value for name, value in values.items() if name not in kept}
    grew = True
    while grew:
        grew = False
        for name, value in list(waiting.items()):
            try:
                good = config.validate_settings(mode, {**kept, name: value})
            except InvalidSettings as error:
                refused[name] = str(error)
            else:
                kept[name] = value
                del waiting[name]
                refused.pop(name, None)
                grew = True
    return good, refused
