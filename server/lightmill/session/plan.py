"""What a session is to compute: a validated chain of stages. Making a plan changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightmill.config import SessionConfig
from lightmill.errors import (
    FieldError,
    InvalidInput,
    InvalidSettings,
    NotFound,
    PipelineNotFound,
)
from lightmill.pipelines.config import BasePipelineConfig, UsageType
from lightmill.pipelines.contract import Pipeline
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.session.wish import MAIN, ChainWish, StageWish

USAGES = {"preprocessors": UsageType.PREPROCESSOR, "postprocessors": UsageType.POSTPROCESSOR}


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: ``overrides`` is what was asked for, ``values`` are all its settings."""

    id: str
    pipeline: type[Pipeline]
    mode: str
    overrides: dict[str, Any]
    values: dict[str, Any]
    enabled: bool = True

    @property
    def config(self) -> type[BasePipelineConfig]:
        return self.pipeline.get_config_class()

    def changed(self, changes: Mapping[str, Any]) -> StagePlan:
        """The same stage with other settings. Raises `InvalidSettings`."""
        overrides = {**self.overrides, **changes}
        values = self.config.validate_settings(self.mode, overrides)
        return replace(self, overrides=_chosen(values, overrides), values=values)

    def moved_load_params(self, values: Mapping[str, Any]) -> list[str]:
        """The load parameters that differ from ``values``; with any, the stage is loaded anew."""
        names = sorted(self.config.load_params())
        return [name for name in names if self.values.get(name) != values.get(name)]


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """Stages in the order in which pictures pass them."""

    main: StagePlan
    preprocessors: tuple[StagePlan, ...] = ()
    postprocessors: tuple[StagePlan, ...] = ()

    @property
    def stages(self) -> tuple[StagePlan, ...]:
        return (*self.preprocessors, self.main, *self.postprocessors)

    @property
    def active(self) -> tuple[StagePlan, ...]:
        """Those that pictures pass: in text mode nothing comes in, so preprocessors rest."""
        stages = self.stages if self.main.mode == "video" else (self.main, *self.postprocessors)
        return tuple(stage for stage in stages if stage.enabled)

    def stage(self, stage_id: str) -> StagePlan:
        """Look up by id. Raises `NotFound`, which lists the ids."""
        for stage in self.stages:
            if stage.id == stage_id:
                return stage
        ids = ", ".join(stage.id for stage in self.stages)
        raise NotFound(f"no stage {stage_id!r}; there are {ids}")

    def with_stage(self, changed: StagePlan) -> ChainPlan:
        """The same chain with the stage of that id replaced."""

        def swap(stages: Sequence[StagePlan]) -> tuple[StagePlan, ...]:
            return tuple(changed if stage.id == changed.id else stage for stage in stages)

        (main,) = swap([self.main])
        return ChainPlan(main, swap(self.preprocessors), swap(self.postprocessors))


def plan_chain(
    wish: ChainWish, current: ChainPlan | None, registry: PipelineRegistry, limits: SessionConfig
) -> ChainPlan:
    """Validate a wish on top of what is in force.

    Raises:
        PipelineNotFound, PipelineUnavailable: the main pipeline is not here.
        InvalidInput: it lacks the mode; a stage cannot stand there, or there are too many.
        InvalidSettings: a config class refuses settings; ``fields`` has the whole path.

    """
    main = _plan_main(wish, current.main if current else None, registry, limits)
    wishes = {"preprocessors": wish.preprocessors, "postprocessors": wish.postprocessors}
    taken = _ids(wishes, current)
    lists: dict[str, tuple[StagePlan, ...]] = {}
    for name, wanted in wishes.items():
        if wanted is None:
            lists[name] = getattr(current, name) if current else ()
            continue
        places = [(f"{name}.{index}", stage) for index, stage in enumerate(wanted)]
        lists[name] = tuple(
            _plan_stage(path, stage, USAGES[name], taken, current, registry)
            for path, stage in places
        )
    plan = ChainPlan(main, **lists)
    _check_count(plan, limits)
    return plan


def _plan_main(
    wish: ChainWish,
    current: StagePlan | None,
    registry: PipelineRegistry,
    limits: SessionConfig,
) -> StagePlan:
    if wish.pipeline is None and current is not None:
        chosen = current.pipeline
    else:
        chosen = registry.get(wish.pipeline or limits.default_pipeline)
    config = chosen.get_config_class()
    same = current is not None and current.pipeline is chosen
    overrides = {**(current.overrides if same and current else {}), **(wish.settings or {})}
    kept_mode = current.mode if current and current.mode in config.supported_modes() else None
    mode = wish.mode or kept_mode or config.default_mode()
    if mode not in config.supported_modes():
        modes = ", ".join(config.supported_modes())
        message = f"{config.pipeline_id} has no mode {mode!r}; its modes are {modes}"
        raise InvalidInput(message, (FieldError("mode", message),))
    values = config.validate_settings(mode, overrides)
    return StagePlan(MAIN, chosen, mode, _chosen(values, overrides), values)


def _chosen(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for as it was understood: a long text is not unpacked again at each change."""
    return {name: values[name] for name in overrides}


def _ids(wishes: Mapping[str, list[StageWish] | None], current: ChainPlan | None) -> set[str]:
    """Every id that a new stage must not get. Raises `InvalidInput` when one is named twice."""
    named: set[str] = set()
    for name, stages in wishes.items():
        if stages is None and current is not None:
            named |= {stage.id for stage in getattr(current, name)}
    for name, stages in wishes.items():
        for index, stage in enumerate(stages or []):
            if stage.id is None:
                continue
            if stage.id in named:
                message = f"two stages have the id {stage.id!r}; give each its own"
                raise InvalidInput(message, (FieldError(f"{name}.{index}.id", message),))
            named.add(stage.id)
    running = {stage.id for stage in current.stages} if current else set[str]()
    return named | running | {MAIN}


def _plan_stage(
    path: str,
    wish: StageWish,
    usage: UsageType,
    taken: set[str],
    current: ChainPlan | None,
    registry: PipelineRegistry,
) -> StagePlan:
    pipeline = _usable(path, wish.pipeline, usage, registry)
    running = {stage.id: stage for stage in current.stages} if current else {}
    before = running.get(wish.id) if wish.id else None
    overrides = dict(wish.settings)
    if before is not None and before.pipeline is pipeline:
        overrides = {**before.overrides, **overrides}
    try:
        values = pipeline.get_config_class().validate_settings("video", overrides)
    except InvalidSettings as error:
        fields = tuple(
            FieldError(f"{path}.settings.{field.field}", field.message) for field in error.fields
        )
        raise InvalidSettings(f"{path}.settings: {error}", fields) from error
    stage_id = wish.id or new_stage_id(wish.pipeline, taken)
    taken.add(stage_id)
    overrides = _chosen(values, overrides)
    return StagePlan(stage_id, pipeline, "video", overrides, values, wish.enabled)


def _usable(
    path: str, pipeline_id: str, usage: UsageType, registry: PipelineRegistry
) -> type[Pipeline]:
    """The class of a stage that may stand there. Raises `InvalidInput` naming ``path``."""
    try:
        pipeline = registry.get(pipeline_id)
    except PipelineNotFound as error:
        message = str(error)
        raise InvalidInput(message, (FieldError(f"{path}.pipeline", message),)) from error
    config = pipeline.get_config_class()
    if usage in config.usage and "video" in config.modes:
        return pipeline
    others = [
        entry.config.pipeline_id for entry in registry.entries() if usage in entry.config.usage
    ]
    message = f"{pipeline_id} is no {usage}; use one of {', '.join(others)}"
    raise InvalidInput(message, (FieldError(f"{path}.pipeline", message),))


def new_stage_id(pipeline_id: str, taken: set[str]) -> str:
    """The pipeline's id, with a number from 2 on where that is taken."""
    if pipeline_id not in taken:
        return pipeline_id
    number = 2
    while f"{pipeline_id}-{number}" in taken:
        number += 1
    return f"{pipeline_id}-{number}"


def _check_count(plan: ChainPlan, limits: SessionConfig) -> None:
    count = len(plan.preprocessors) + len(plan.postprocessors)
    if count > limits.max_stages:
        field = "postprocessors" if plan.postprocessors else "preprocessors"
        message = (
            f"{count} stages are more than session.max_stages allows; it is {limits.max_stages}"
        )
        raise InvalidInput(message, (FieldError(field, message),))


def remaining(wish: ChainWish, plan: ChainPlan) -> ChainWish:
    """The part of ``wish`` that ``plan`` does not fulfil; ids that it does not name may be any."""
    main = plan.main
    fulfilled = (
        wish.pipeline in (None, main.config.pipeline_id)
        and wish.mode in (None, main.mode)
        and not _settings_differ(wish.settings or {}, main)
    )
    before, after = wish.preprocessors, wish.postprocessors
    return ChainWish(
        pipeline=None if fulfilled else wish.pipeline,
        mode=None if fulfilled else wish.mode,
        settings=None if fulfilled else wish.settings,
        preprocessors=before if _list_differs(before, plan.preprocessors) else None,
        postprocessors=after if _list_differs(after, plan.postprocessors) else None,
    )


def _settings_differ(asked: Mapping[str, Any], stage: StagePlan) -> bool:
    in_force = stage.config.to_json(stage.values)
    return any(name not in in_force or in_force[name] != asked[name] for name in asked)


def _list_differs(wished: list[StageWish] | None, stages: Sequence[StagePlan]) -> bool:
    if wished is None:
        return False
    return len(wished) != len(stages) or any(
        wish.pipeline != stage.config.pipeline_id
        or wish.id not in (None, stage.id)
        or wish.enabled != stage.enabled
        or _settings_differ(wish.settings, stage)
        for wish, stage in zip(wished, stages, strict=True)
    )
