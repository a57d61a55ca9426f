"""What a session computes: a chain of stages, each with its settings, changed while live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lightmill.errors import FieldError, InvalidSettings, LightmillError, PipelineFailed
from lightmill.inference.controls import ControlState
from lightmill.inference.line import Line, Seat
from lightmill.inference.runner import StageRunner
from lightmill.inference.stage import Stage
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.session.loading import Loading
from lightmill.session.plan import ChainPlan, StagePlan, plan_chain, remaining
from lightmill.session.services import Services
from lightmill.session.wish import MAIN, ChainWish


class Production:
    """Owns the session's stages and their line; switches are serialised, and a failed one changes nothing.

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
        self._name = name
        self._services = services
        self._playout = playout
        self._on_change = on_change
        self._on_data = on_data
        self._lock = asyncio.Lock()
        self._line = Line(services.config.media.max_frame_age_s)
        self._plan: ChainPlan | None = None
        self._runners: dict[str, StageRunner] = {}
        self._demand = False
        self._closed = False

    @property
    def pipeline_id(self) -> str | None:
        return self._plan.main.config.pipeline_id if self._plan else None

    @property
    def mode(self) -> str | None:
        return self._plan.main.mode if self._plan else None

    @property
    def failed(self) -> bool:
        """Whether a stage gave up without which there is no picture."""
        return any(
            self._runners[stage.id].failed and _stops(stage)
            for stage in (self._plan.active if self._plan else ())
        )

    @property
    def error(self) -> str | None:
        """What goes wrong now, with the stage's id where it is not the main one."""
        for stage in self._plan.active if self._plan else ():
            runner = self._runners[stage.id]
            if runner.error is not None and not (runner.failed and not _stops(stage)):
                return runner.error if stage.id == MAIN else f"{stage.id}: {runner.error}"
        return None

    @property
    def warnings(self) -> list[str]:
        """One sentence for each stage that gave up and is left out."""
        return [
            f"{stage.id} is bypassed: {self._runners[stage.id].error}; send its list again to retry"
            for stage in (self._plan.active if self._plan else ())
            if self._runners[stage.id].failed and not _stops(stage)
        ]

    @property
    def dropped(self) -> int:
        return self._line.queue.statistics().dropped

    def describe(self) -> dict[str, Any]:
        """The CHAIN's part of a SESSION."""
        plan = self._plan
        main = self._describe(plan.main) if plan else None
        return {
            "pipeline": self.pipeline_id,
            "mode": self.mode,
            "settings": main["settings"] if main else {},
            "revision": main["revision"] if main else 0,
            "main": main,
            "preprocessors": [self._describe(stage) for stage in plan.preprocessors]
            if plan
            else [],
            "postprocessors": [self._describe(stage) for stage in plan.postprocessors]
            if plan
            else [],
        }

    def _describe(self, stage: StagePlan) -> dict[str, Any]:
        runner = self._runners[stage.id]
        return {
            "id": stage.id,
            "pipeline": stage.config.pipeline_id,
            "enabled": stage.enabled,
            "active": runner.seat in self._line.seats,
            "settings": stage.config.to_json(runner.settings.in_force),
            "revision": runner.settings.revision,
            "error": runner.error,
            "latency_ms": runner.latency_summary(),
        }

    def remaining(self, wish: ChainWish) -> ChainWish:
        """The part of ``wish`` that is something else than what runs."""
        return wish if self._plan is None else remaining(wish, self._plan)

    def plan(self, wish: ChainWish) -> ChainPlan:
        """Validate a wish on top of what is in force; see `plan_chain` for what it raises."""
        services = self._services
        return plan_chain(wish, self._plan, services.registry, services.config.session)

    async def switch(self, wish: ChainWish) -> None:
        """Load what is new beside what runs, then change the order between two chunks.

        Stages whose id and pipeline stay keep their state, wherever they move; so does the main
        one, unless the wish names it.

        Raises:
            PipelineFailed, ArtifactError: a stage did not load; what ran goes on.
            Closed: the session ended meanwhile.

        """
        async with self._lock:
            if self._closed:
                return
            plan = self.plan(wish)
            kept = self._kept(plan, wish)
            loaded = await self._load_all([stage for stage in plan.stages if stage.id not in kept])
            try:
                await self._line.arrange(self._seats(plan, {**kept, **loaded}))
            except BaseException:
                await _close_all(loaded.values())
                raise
            await self._install(self._newest(wish, plan), kept, loaded)
        self._on_change()

    def _newest(self, wish: ChainWish, plan: ChainPlan) -> ChainPlan:
        """``plan`` with the settings that came while it loaded, where they go with the wish."""
        try:
            return self.plan(wish)
        except LightmillError:
            return plan

    def _kept(self, plan: ChainPlan, wish: ChainWish) -> dict[str, StageRunner]:
        kept: dict[str, StageRunner] = {}
        for stage in plan.stages:
            runner = self._runners.get(stage.id)
            if runner is None or runner.failed or runner.stage.pipeline_class is not stage.pipeline:
                continue
            if stage.id == MAIN and wish.names_main:
                continue
            if not stage.moved_load_params(runner.settings.newest):
                kept[stage.id] = runner
        return kept

    def _seats(self, plan: ChainPlan, runners: Mapping[str, StageRunner]) -> list[Seat]:
        return [runners[stage.id].seat for stage in plan.active]

    async def _install(
        self, plan: ChainPlan, kept: dict[str, StageRunner], loaded: dict[str, StageRunner]
    ) -> None:
        """Put the new chain to work; what it does without is closed."""
        if MAIN in loaded and self._runners:
            self._playout.clear()
        before, self._runners = self._runners, {**kept, **loaded}
        self._plan = plan
        for stage in plan.stages:
            settings = self._runners[stage.id].settings
            if settings.newest != stage.values:
                settings.submit(stage.values)
        for runner in loaded.values():
            runner.set_demand(self._demand)
            runner.start()
        for runner in kept.values():
            if runner.failed:
                self._runner_changed(runner)
        await _close_all([one for one in before.values() if one not in kept.values()])

    async def _load_all(self, stages: Sequence[StagePlan]) -> dict[str, StageRunner]:
        """Load one after the other; when one fails, none stays."""
        loaded: dict[str, StageRunner] = {}
        try:
            for stage in stages:
                loaded[stage.id] = await self._load(stage)
        except BaseException:
            await _close_all(loaded.values())
            raise
        return loaded

    async def _load(self, plan: StagePlan) -> StageRunner:
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
            plan.values,
            video=plan.mode == "video",
            executors=services.executors,
            line=self._line,
            playout=self._playout,
            controls=self.controls if plan.id == MAIN else ControlState(),
            text_fps=limits.media.text_fps,
            max_failures=limits.inference.max_failures,
            on_change=self._runner_changed,
            on_data=lambda data: self._on_data(plan.id, plan.config.pipeline_id, data),
        )

    async def update_settings(
        self, changes: Mapping[str, Any], stage_id: str = MAIN
    ) -> dict[str, Any]:
        """Submit one stage's live settings and answer when they (or later ones) are in force.

        Raises:
            NotFound: there is no such stage.
            InvalidSettings: a value is refused, or a load parameter would change.

        """
        if self._plan is None:
            raise PipelineFailed("the pipeline is still loading; try again when it is ready")
        stage = self._plan.stage(stage_id).changed(changes)
        runner = self._runners[stage_id]
        _refuse_load_params(stage, stage.moved_load_params(runner.settings.newest))
        self._plan = self._plan.with_stage(stage)
        applied = runner.settings.submit(stage.values)
        if runner.failed:
            runner.settings.commit()
        done, _ = await asyncio.wait(
            [applied], timeout=self._services.config.session.apply_timeout_s
        )
        self._on_change()
        return {
            "settings": stage.config.to_json(runner.settings.in_force),
            "revision": runner.settings.revision,
            "applied": bool(done),
        }

    def control(self, keys: Sequence[str], dx: float, dy: float) -> None:
        """Hand keyboard and mouse to every stage that may want them."""
        self.controls.update(keys, dx, dy)
        for stage_id, runner in self._runners.items():
            if stage_id != MAIN:
                runner.controls.update(keys, dx, dy)

    def feed(self, frame: MediaFrame) -> None:
        if self.mode == "video":
            self._line.feed(frame)

    def set_demand(self, watched: bool) -> None:
        self._demand = watched
        for runner in self._runners.values():
            runner.set_demand(watched)

    def _runner_changed(self, runner: StageRunner) -> None:
        """A stage failed or works again; one that gave up is bypassed where that is harmless."""
        if runner.failed:
            for stage in self._plan.stages if self._plan else ():
                if self._runners[stage.id] is runner and not _stops(stage):
                    self._line.leave(runner.seat)
        self._on_change()

    async def aclose(self) -> None:
        """Stop computing. Idempotent."""
        self._closed = True
        self.loading.cancel()
        async with self._lock:
            runners, self._runners, self._plan = self._runners, {}, None
            self._line.close()
            await _close_all(runners.values())


def _stops(stage: StagePlan) -> bool:
    """Whether there is no picture without this stage."""
    return stage.id == MAIN or stage.config.fails_closed


async def _close_all(runners: Collection[StageRunner]) -> None:
    """To the end, also when whoever asked for it has left: a stage holds components."""
    await asyncio.shield(asyncio.gather(*(runner.aclose() for runner in runners)))


def _refuse_load_params(stage: StagePlan, moved: list[str]) -> None:
    if moved:
        remedy = 'is a load parameter: reload with PATCH /sessions/{name} {"settings": {...}} to change it'
        if stage.id != MAIN:
            remedy = "is a load parameter: send the list of stages with the new value to reload"
        raise InvalidSettings(
            f"{', '.join(moved)} {remedy}", tuple(FieldError(name, remedy) for name in moved)
        )
