"""The loop of one stage: settle settings, wait for frames or demand, compute, hand on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

import torch

from lightmill.errors import Closed
from lightmill.inference.controls import ControlState
from lightmill.inference.executors import DeviceExecutors
from lightmill.inference.settings import LiveSettings
from lightmill.inference.stage import Chunk, Stage
from lightmill.media.frames import MediaFrame
from lightmill.media.playout import Playout
from lightmill.media.queue import FrameQueue
from lightmill.metrics import Throttle
from lightmill.pipelines.contract import Requirements

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAILURE_PAUSE_S = 0.2
"""Rest after a failed chunk, so that a pipeline that always raises does not spin."""
LEAD_FACTOR = 1.25
"""Text mode asks for the next chunk this many generation times before it is due."""


class StageRunner:
    """Feeds one stage from its own queue. Create, `feed`, `run` in an owned task, `aclose`.

    In video mode a chunk starts as soon as the queue has what `prepare` asked for. In text
    mode (`prepare` gave ``None``) it starts when somebody watches and the playout has room.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        settings: LiveSettings,
        *,
        video: bool,
        executors: DeviceExecutors,
        playout: Playout,
        controls: ControlState,
        text_fps: float,
        max_frame_age_s: float,
        max_failures: int,
        on_failure: Callable[[Exception, bool], None],
        on_recovery: Callable[[], None],
        on_data: Callable[[str], None],
    ) -> None:
        self.stage = stage
        self.settings = settings
        self.video = video
        self.queue = FrameQueue(max_age_s=max_frame_age_s)
        self._name = name
        self._executors = executors
        self._playout = playout
        self._controls = controls
        self._text_fps = text_fps
        self._max_failures = max_failures
        self._failures = 0
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self._on_data = on_data
        self._wake = asyncio.Event()
        self._demand = False
        self._upcoming: tuple[int, Requirements | None] | None = None
        self._generation_s = 0.0
        self._throttle = Throttle()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"stage:{self._name}")

    def feed(self, frame: MediaFrame) -> None:
        """Queue a decoded frame; in text mode it is ignored."""
        if self.video:
            self.queue.put(frame)
            self._wake.set()

    def set_demand(self, watched: bool) -> None:
        """Tell whether anybody sees the output; text mode generates nothing unseen."""
        self._demand = watched
        self._wake.set()

    def wake(self) -> None:
        """Look at the settings again; called when they were submitted."""
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
        settings = self.settings
        values = settings.commit()
        requirements = await self._prepare()
        if requirements is None:
            if not await self._wait_for_demand():
                return
            frames: list[MediaFrame] = []
        else:
            if not await self._wait_for_frames(requirements.input_size):
                return
            frames = self.queue.take(requirements.input_size)
        controls = self._controls.take() if self.stage.wants_controls else None
        revision, started = settings.revision, monotonic()

        def work() -> tuple[Chunk, Requirements | None]:
            chunk = self.stage.process(frames, values, controls)
            return chunk, self.stage.prepare(values, video=self.video)

        for frame in frames:
            frame.dequeued = started
        chunk, upcoming = await self._run_off_loop(work)
        self._generation_s = monotonic() - started
        self._upcoming = (revision, upcoming)
        self._pace(chunk, text=requirements is None)
        if chunk.data is not None:
            self._on_data(chunk.data)
        self._playout.push(chunk.frames)
        if self._failures:
            self._failures = 0
            self._on_recovery()

    async def _prepare(self) -> Requirements | None:
        """Use what the last chunk's hop already asked, unless the settings moved since."""
        upcoming, self._upcoming = self._upcoming, None
        if upcoming is not None and upcoming[0] == self.settings.revision:
            return upcoming[1]
        values = self.settings.in_force
        return await self._run_off_loop(lambda: self.stage.prepare(values, video=self.video))

    async def _run_off_loop(self, work: Callable[[], T]) -> T:
        """In the device's thread, unless the pipeline computes nothing."""
        if not self.stage.pipeline_class.computes:
            return work()
        return await self._executors.run(self.stage.device, work)

    async def _wait_for_frames(self, count: int) -> bool:
        """Wait for a full chunk; ``False`` when settings came first and must settle."""
        self.queue.configure(count)
        while not self.queue.ready(count):
            if self.settings.dirty:
                return False
            self._wake.clear()
            await self._wake.wait()
        return not self.settings.dirty

    async def _wait_for_demand(self) -> bool:
        while not self._demand:
            if self.settings.dirty:
                return False
            self._wake.clear()
            await self._wake.wait()
        await self._playout.wait_room(self._generation_s * LEAD_FACTOR)
        return self._demand and not self.settings.dirty

    def _pace(self, chunk: Chunk, *, text: bool) -> None:
        if chunk.frame_rate:
            self._playout.fixed_interval(1 / chunk.frame_rate)
        else:
            self._playout.fixed_interval(1 / self._text_fps if text else None)

    async def _fail(self, error: Exception) -> bool:
        """Report a failed chunk; ``False`` when the stage gives up."""
        self._failures += 1
        fatal = isinstance(error, torch.OutOfMemoryError) or self._failures >= self._max_failures
        if fatal or self._throttle.ready(monotonic()):
            logger.exception("%s: %s failed", self._name, self.stage.pipeline_class.__name__)
        self._on_failure(error, fatal)
        if fatal:
            self.settings.commit()
            return False
        await asyncio.sleep(FAILURE_PAUSE_S)
        return True

    @property
    def failed(self) -> bool:
        """Whether the stage gave up."""
        return self._task is not None and self._task.done()

    async def aclose(self) -> None:
        """Stop the loop, let the running chunk end, close the stage. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.queue.close()
        self.settings.commit()
        await self._executors.run(self.stage.device, self.stage.close)
