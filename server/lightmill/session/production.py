"""What a session computes: its pipeline, mode and settings, and switching them while live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lightmill.errors import (
    FieldError,
    InvalidInput,
    InvalidSettings,
    LightmillError,
    PipelineFailed,
)
from lightmill.inference.controls import ControlState
from lightmill.inference.runner import StageRunner
from lightmill.inference.settings import LiveSettings
from lightmill.inference.stage import Stage
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.contract import Pipeline
from lightmill.session.loading import Loading
from lightmill.session.services import Services


@dataclass(frozen=True, slots=True)
class Plan:
    """A validated choice of pipeline, mode and settings; making one changes nothing."""

    pipeline: type[Pipeline]
    mode: str
    overrides: dict[str, Any]
    values: dict[str, Any]

    @property
    def config(self) -> type[BasePipelineConfig]:
        return self.pipeline.get_config_class()


class Production:
    """Owns the session's stage runner; switches are serialised, and a failed one changes nothing.

    ``on_data`` hears a stage's id, its pipeline's id and the JSON text of each chunk's ``data``.
    """

    def __init__(
        self,
        name: str,
        services: Services,
        playout: Playout,
        on_change: Callable[[], None],
        on_data: Callable[[str, str, str], None],
    ) -> None:
        self.controls = ControlState()
        self.loading = Loading(on_change)
        self.error: str | None = None
        self._name = name
        self._services = services
        self._playout = playout
        self._on_change = on_change
        self._on_data = on_data
        self._lock = asyncio.Lock()
        self._plan: Plan | None = None
        self._runner: StageRunner | None = None
        self._demand = False
        self._closed = False

    @property
    def pipeline_id(self) -> str | None:
        return self._plan.config.pipeline_id if self._plan else None

    @property
    def mode(self) -> str | None:
        return self._plan.mode if self._plan else None

    @property
    def failed(self) -> bool:
        return self._runner is not None and self._runner.failed

    @property
    def revision(self) -> int:
        return self._runner.settings.revision if self._runner else 0

    @property
    def dropped(self) -> int:
        return self._runner.queue.statistics().dropped if self._runner else 0

    def settings_json(self) -> dict[str, Any]:
        if self._plan is None or self._runner is None:
            return {}
        return self._plan.config.to_json(self._runner.settings.in_force)

    def plan(
        self, pipeline: str | None, mode: str | None, settings: Mapping[str, Any] | None
    ) -> Plan:
        """Validate a choice on top of what is in force.

        Raises:
            PipelineNotFound, PipelineUnavailable: no such pipeline here.
            InvalidInput: the pipeline lacks this mode.
            InvalidSettings: its config class refuses the settings.

        """
        current = self._plan
        if pipeline is None and current is not None:
            chosen = current.pipeline
        else:
            chosen = self._services.registry.get(
                pipeline or self._services.config.session.default_pipeline
            )
        config = chosen.get_config_class()
        same = current is not None and current.pipeline is chosen
        overrides = {**(current.overrides if same and current else {}), **(settings or {})}
        kept_mode = current.mode if current and current.mode in config.supported_modes() else None
        mode = mode or kept_mode or config.default_mode()
        if mode not in config.supported_modes():
            modes = ", ".join(config.supported_modes())
            message = f"{config.pipeline_id} has no mode {mode!r}; its modes are {modes}"
            raise InvalidInput(message, (FieldError("mode", message),))
        return Plan(chosen, mode, overrides, config.validate_settings(mode, overrides))

    async def switch(
        self, pipeline: str | None, mode: str | None, settings: Mapping[str, Any] | None
    ) -> None:
        """Load the choice beside what runs, then swap between two chunks.

        Raises:
            PipelineFailed, ArtifactError: it did not load; what ran goes on.
            Closed: the session ended meanwhile.

        """
        async with self._lock:
            plan = self.plan(pipeline, mode, settings)
            runner = await self._load(plan)
            if self._closed:
                await runner.aclose()
                return
            old, self._runner, self._plan = self._runner, runner, plan
            self.error = None
            if old is not None:
                await old.aclose()
                self._playout.clear()
            runner.set_demand(self._demand)
            runner.start()
        self._on_change()

    async def _load(self, plan: Plan) -> StageRunner:
        services, limits = self._services, self._services.config
        try:
            config = plan.config(**plan.values)
            lease = await self.loading.run(
                plan.config.pipeline_id,
                lambda tell: services.components.acquire(
                    plan.pipeline, config, services.device, tell
                ),
            )
            try:
                stage = await services.executors.run(
                    services.device,
                    lambda: Stage(plan.pipeline, plan.values, services.device, lease),
                )
            except BaseException:
                lease.release()
                raise
        except LightmillError:
            raise
        except Exception as error:
            raise PipelineFailed(f"{plan.config.pipeline_id} did not load: {error}") from error
        return StageRunner(
            self._name,
            stage,
            LiveSettings(plan.values, self._wake),
            video=plan.mode == "video",
            executors=services.executors,
            playout=self._playout,
            controls=self.controls,
            text_fps=limits.media.text_fps,
            max_frame_age_s=limits.media.max_frame_age_s,
            max_failures=limits.inference.max_failures,
            on_failure=self._failed,
            on_recovery=self._recovered,
            on_data=lambda data: self._on_data("main", plan.config.pipeline_id, data),
        )

    async def update_settings(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Submit live settings and answer when they (or later ones) are in force.

        Raises:
            InvalidSettings: a value is refused, or a load parameter would change.

        """
        if self._plan is None or self._runner is None:
            raise PipelineFailed("the pipeline is still loading; try again when it is ready")
        plan, runner = self._plan, self._runner
        values = plan.config.validate_settings(plan.mode, {**plan.overrides, **changes})
        _refuse_load_params(plan.config, values, runner.settings.newest)
        self._plan = Plan(plan.pipeline, plan.mode, {**plan.overrides, **changes}, values)
        applied = runner.settings.submit(values)
        if runner.failed:
            runner.settings.commit()
        done, _ = await asyncio.wait(
            [applied], timeout=self._services.config.session.apply_timeout_s
        )
        self._on_change()
        return {
            "settings": plan.config.to_json(runner.settings.in_force),
            "revision": runner.settings.revision,
            "applied": bool(done),
        }

    def feed(self, frame: MediaFrame) -> None:
        if self._runner is not None:
            self._runner.feed(frame)

    def set_demand(self, watched: bool) -> None:
        self._demand = watched
        if self._runner is not None:
            self._runner.set_demand(watched)

    def _wake(self) -> None:
        if self._runner is not None:
            self._runner.wake()

    def _failed(self, error: Exception, fatal: bool) -> None:
        what = f"{type(error).__name__}: {error}"
        self.error = (
            f"{self.pipeline_id} gave up after repeated failures: {what}" if fatal else what
        )
        self._on_change()

    def _recovered(self) -> None:
        self.error = None
        self._on_change()

    async def aclose(self) -> None:
        """Stop computing. Idempotent."""
        self._closed = True
        self.loading.cancel()
        async with self._lock:
            runner, self._runner = self._runner, None
            if runner is not None:
                await runner.aclose()


def _refuse_load_params(
    config: type[BasePipelineConfig], values: Mapping[str, Any], newest: Mapping[str, Any]
) -> None:
    moved = [name for name in sorted(config.load_params()) if values.get(name) != newest.get(name)]
    if moved:
        remedy = 'is a load parameter: reload with PATCH /sessions/{name} {"settings": {...}} to change it'
        raise InvalidSettings(
            f"{', '.join(moved)} {remedy}", tuple(FieldError(name, remedy) for name in moved)
        )
