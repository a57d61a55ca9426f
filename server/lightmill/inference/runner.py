"""The loop of one stage: settle settings, wait for a chunk or demand, compute, hand on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

import torch

from lightmill.errors import Closed, PipelineFailed
from lightmill.inference.controls import ControlState
from lightmill.inference.executors import DeviceExecutors
from lightmill.inference.line import Line, Seat
from lightmill.inference.settings import LiveSettings
from lightmill.inference.stage import Chunk, Stage
from lightmill.media.frames import MediaFrame, StagePicture
from lightmill.media.playout import Playout
from lightmill.metrics import Percentiles, Throttle, Window
from lightmill.pipelines.contract import Requirements

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAILURE_PAUSE_S = 0.2
"""Rest after a failed chunk, so that a pipeline that always raises does not spin."""
LEAD_FACTOR = 1.25
"""Text mode asks for the next chunk this many generation times before it is due."""


class StageRunner:
    """Runs one stage where its seat stands in the line. Create, `start`, `aclose`.

    A chunk starts when the line lets it. A main pipeline whose `prepare` gave ``None`` (text mode)
    starts when somebody watches, too, and the playout has room. Out of the line nothing is computed,
    and settings are in force at once.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        settings: dict[str, Any],
        *,
        video: bool,
        executors: DeviceExecutors,
        line: Line,
        playout: Playout,
        controls: ControlState,
        text_fps: float,
        max_failures: int,
        on_change: Callable[[StageRunner], None],
        on_data: Callable[[str], None],
    ) -> None:
        self.stage = stage
        self.settings = LiveSettings(settings, self.wake)
        self.video = video
        self.seat = Seat(self.wake)
        self.controls = controls
        self.error: str | None = None
        self.latency = {"queue": Window(), "inference": Window()}
        """Milliseconds: each picture's wait before this stage, each chunk's time in it."""
        self._name = name
        self._executors = executors
        self._line = line
        self._playout = playout
        self._text_fps = text_fps
        self._max_failures = max_failures
        self._failures = 0
        self._on_change = on_change
        self._on_data = on_data
        self._wake = asyncio.Event()
        self._demand = False
        self._upcoming: tuple[int, Requirements | None] | None = None
        self._generation_s = 0.0
        self._throttle = Throttle()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"stage:{self._name}")

    def set_demand(self, watched: bool) -> None:
        """Tell whether anybody sees the output; text mode generates nothing unseen."""
        self._demand = watched
        self.wake()

    def wake(self) -> None:
        """Look again: at the settings, at the line."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Closed:
                return
            except Exception as error:
                if not await self._fail(error):
                    return

    async def _turn(self) -> None:
        values = self.settings.commit()
        requirements = await self._prepare()
        if requirements is None and self.video:
            name = self.stage.pipeline_class.__name__
            raise PipelineFailed(f"{name}.prepare returned None; return Requirements in video mode")
        self._line.require(self.seat, requirements and requirements.input_size)
        if not await self._wait_for_turn():
            return
        pictures = self._line.take(self.seat)
        try:
            await self._compute(pictures, values)
        finally:
            self._line.finished(self.seat)
        if self._failures:
            self._failures, self.error = 0, None
            self._on_change(self)

    async def _compute(self, pictures: list[StagePicture], values: dict[str, Any]) -> None:
        revision, epoch = self.settings.revision, self.seat.epoch
        controls = self.controls.take() if self.stage.wants_controls else None
        last, started = self._line.is_last(self.seat), monotonic()
        for picture in pictures:
            self.latency["queue"].add((started - picture.entered) * 1000)

        def work() -> tuple[Chunk, Requirements | None]:
            chunk = self.stage.process(pictures, values, controls, last=last)
            return chunk, self.stage.prepare(values, video=self.video)

        chunk, upcoming = await self._run_off_loop(work, pictures)
        self._generation_s = monotonic() - started
        self.latency["inference"].add(self._generation_s * 1000)
        self._upcoming = (revision, upcoming)
        if not pictures and chunk.frame_rate is None:
            for picture in chunk.pictures:
                picture.frame_rate = self._text_fps
        if chunk.data is not None and epoch == self.seat.epoch:
            self._on_data(chunk.data)
        await self._hand_on(chunk, epoch)

    async def _hand_on(self, chunk: Chunk, epoch: int) -> None:
        """To the stage behind, or to be played; nothing when the order changed in the meantime."""
        if not chunk.ready and self._line.is_last(self.seat):
            chunk = await self._run_off_loop(lambda: self.stage.finish(chunk), chunk.pictures)
        if epoch != self.seat.epoch or self._line.hand_on(self.seat, chunk.pictures):
            return
        self._playout.fixed_interval(chunk.frame_rate and 1 / chunk.frame_rate)
        self._playout.push(_playable(chunk.pictures, monotonic()))

    async def _prepare(self) -> Requirements | None:
        """Use what the last chunk's hop already asked, unless the settings moved since."""
        upcoming, self._upcoming = self._upcoming, None
        if upcoming is not None and upcoming[0] == self.settings.revision:
            return upcoming[1]
        values = self.settings.in_force
        return await self._run_off_loop(lambda: self.stage.prepare(values, video=self.video))

    async def _run_off_loop(
        self, work: Callable[[], T], pictures: Sequence[StagePicture] = ()
    ) -> T:
        """In the device's thread, unless the pipeline computes nothing and nothing is to be converted."""
        if not self.stage.pipeline_class.computes and all(one.native for one in pictures):
            return work()
        return await self._executors.run(self.stage.device, work)

    async def _wait_for_turn(self) -> bool:
        """Wait until a chunk may start; ``False`` when settings came first and must settle."""
        line, seat = self._line, self.seat
        while not line.may_start(seat) or (seat.source and not self._demand):
            if self.settings.dirty:
                return False
            self._wake.clear()
            await self._wake.wait()
        if seat.source:
            lead_s = self._generation_s * LEAD_FACTOR
            await self._playout.wait_room(lead_s, lambda: line.n_ahead(seat))
            if not (self._demand and line.may_start(seat)):
                return False
        return not self.settings.dirty

    async def _fail(self, error: Exception) -> bool:
        """Report a failed chunk; ``False`` when the stage gives up."""
        self._failures += 1
        fatal = isinstance(error, torch.OutOfMemoryError) or self._failures >= self._max_failures
        pipeline = self.stage.pipeline_class
        if fatal or self._throttle.ready(monotonic()):
            logger.exception("%s: %s failed", self._name, pipeline.__name__)
        what = f"{type(error).__name__}: {error}"
        if fatal:
            pipeline_id = pipeline.get_config_class().pipeline_id
            what = f"{pipeline_id} gave up after repeated failures: {what}"
            self.seat.failed = True
            self.settings.commit()
        self.error = what
        self._on_change(self)
        if fatal:
            return False
        await asyncio.sleep(FAILURE_PAUSE_S)
        return True

    @property
    def failed(self) -> bool:
        """Whether the stage gave up."""
        return self.seat.failed

    def latency_summary(self) -> dict[str, Percentiles | None]:
        return {name: window.summary() for name, window in self.latency.items()}

    async def aclose(self) -> None:
        """Stop the loop, let the running chunk end, close the stage. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.settings.commit()
        await self._executors.run(self.stage.device, self.stage.close)


def _playable(pictures: list[StagePicture], now: float) -> list[MediaFrame]:
    """Frames for the playout; their pictures are frames already."""
    return [
        MediaFrame(
            one.picture,  # pyright: ignore[reportArgumentType]
            one.arrival,
            one.epoch,
            one.dequeued,
            now,
            sound=one.sound,
            sound_at_s=one.sound_at_s,
        )
        for one in pictures
    ]
