"""Chains in a session, with real executors and a real playout: order, state, failure, pace."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from time import monotonic
from typing import ClassVar, Self

import numpy as np
import pytest
import torch
from pydantic import Field, model_validator

from lightmill.config import load_config
from lightmill.errors import InvalidInput, InvalidSettings, NotFound
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.media.frames import MediaFrame
from lightmill.media.pixels import FrameConverter
from lightmill.media.playout import Playout
from lightmill.media.threads import CodecThreads
from lightmill.pipelines.config import ui_field_config
from lightmill.pipelines.registry import build_registry
from lightmill.session.production import Production
from lightmill.session.services import Services
from lightmill.session.udp_mux import UdpMux
from lightmill.session.wish import ChainWish
from tests.integration.chain_pipelines import CHAIN_PIPELINES, Step, StepConfig
from tests.integration.peers import numbered_picture, read_number

CONVERTER = FrameConverter(torch.device("cpu"))


class Studio:
    """A production, what it showed, and a camera that the test moves frame by frame."""

    def __init__(self):
        config = load_config(environ={}, flags={"inference": {"max_failures": 2}})
        registry = build_registry()
        for pipeline in CHAIN_PIPELINES:
            registry.register(pipeline, plugin="tests")
        self.executors = DeviceExecutors(2)
        self.services = Services(
            config=config,
            registry=registry,
            executors=self.executors,
            components=ComponentStore(self.executors, ArtifactStore(config.artifacts)),
            codecs=CodecThreads(1),
            device=torch.device("cpu"),
            udp=UdpMux(config.rtc, 0),
        )
        self.shown: list[MediaFrame] = []
        self.news = asyncio.Event()
        self.playout = Playout(self._show)
        self.production = Production(
            "test", self.services, self.playout, self.news.set, lambda *_: None
        )
        self.production.set_demand(True)
        self.n_fed = 0

    def _show(self, frame):
        self.shown.append(frame)
        self.news.set()

    async def switch(self, **chain):
        await self.production.switch(ChainWish.model_validate(chain))

    def feed(self, count=1):
        for _ in range(count):
            picture = numbered_picture(self.n_fed)
            picture[120:] = 40
            (frame,) = CONVERTER.to_frames([torch.from_numpy(picture)])
            self.production.feed(MediaFrame(frame, monotonic(), self.n_fed))
            self.n_fed += 1

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def show(self, count):
        """Feed one by one, each when the one before has come out."""
        for _ in range(count):
            goal = len(self.shown) + 1
            self.feed()
            await self.until(lambda: len(self.shown) >= goal)  # noqa: B023

    @property
    def level(self):
        """The lower half of the newest picture."""
        rgb = CONVERTER.to_rgb([self.shown[-1].frame])[0]
        return round(float(rgb[0, 180:].float().mean()))

    def stages(self):
        described = self.production.describe()
        return {
            stage["id"]: stage
            for stage in [
                *described["preprocessors"],
                described["main"],
                *described["postprocessors"],
            ]
        }

    async def aclose(self):
        await self.production.aclose()
        self.playout.close()
        await self.executors.aclose()
        self.services.codecs.close()


@pytest.fixture
async def studio():
    Step.calls.clear()
    studio = Studio()
    yield studio
    await studio.aclose()


def step(label, **settings):
    enabled = settings.pop("enabled", True)
    return {
        "id": label,
        "pipeline": "test-step",
        "settings": {"label": label, **settings},
        "enabled": enabled,
    }


async def test_stages_work_in_order_on_the_pixels(studio):
    await studio.switch(
        pipeline="test-step",
        settings={"offset": 40},
        preprocessors=[step("half", scale=0.5)],
        postprocessors=[step("double", scale=2)],
    )
    await studio.show(3)
    assert studio.level == pytest.approx((40 * 0.5 + 40) * 2, abs=5)
    assert [read_number(frame.frame) for frame in studio.shown] == [0, 1, 2]
    await studio.switch(preprocessors=[], postprocessors=[{"id": "half", "pipeline": "test-step"}])
    await studio.show(1)
    assert studio.level == pytest.approx((40 + 40) * 0.5, abs=2)


async def test_a_moved_stage_keeps_its_state_and_the_picture_has_no_gap(studio):
    await studio.switch(preprocessors=[step("a", offset=10), step("b", scale=2)])
    await studio.show(3)
    assert studio.level == pytest.approx(100, abs=5)
    instances = {label: instance for label, instance, *_ in Step.calls}
    studio.feed(2)
    await studio.switch(preprocessors=[step("b")], postprocessors=[step("a")])
    await studio.until(lambda: len(studio.shown) == 5)
    await studio.show(3)
    assert studio.level == pytest.approx(90, abs=2)
    assert {label: instance for label, instance, *_ in Step.calls} == instances
    assert [frame.epoch for frame in studio.shown] == list(range(8))
    assert [read_number(frame.frame) for frame in studio.shown] == list(range(8))


async def test_a_bypassed_stage_stays_loaded(studio):
    await studio.switch(postprocessors=[step("a", offset=60)])
    await studio.show(1)
    ((_, instance, *_),) = Step.calls
    await studio.switch(postprocessors=[step("a", enabled=False)])
    await studio.show(1)
    assert studio.level == pytest.approx(40, abs=2)
    assert studio.stages()["a"]["active"] is False
    await studio.switch(postprocessors=[step("a", enabled=True)])
    await studio.show(1)
    assert studio.level == pytest.approx(100, abs=2)
    assert Step.calls[-1][1] == instance


async def test_stages_of_different_chunk_sizes_pass_every_picture_in_order(studio):
    sizes = [1, 4, 9]
    await studio.switch(postprocessors=[step(f"n{size}", size=size) for size in sizes])
    for _ in range(36):
        studio.feed()
        await asyncio.sleep(0.01)
    await studio.until(lambda: len(studio.shown) >= 18)
    numbers = [read_number(frame.frame) for frame in studio.shown]
    assert all(a < b for a, b in pairwise(numbers))
    assert [frame.epoch for frame in studio.shown] == numbers
    assert all(frame.arrival <= frame.dequeued <= frame.inferred for frame in studio.shown)


async def test_stages_work_at_the_same_time(studio):
    await studio.switch(
        preprocessors=[step("first", delay_ms=40)], postprocessors=[step("second", delay_ms=40)]
    )

    def overlaps():
        spans = {
            label: [call[2:] for call in Step.calls if call[0] == label]
            for label in ("first", "second")
        }
        return any(
            max(a[0], b[0]) < min(a[1], b[1]) for a in spans["first"] for b in spans["second"]
        )

    async with asyncio.timeout(20):
        while not overlaps():
            studio.feed()
            await asyncio.sleep(0.01)


async def test_a_slow_last_stage_lets_few_pictures_wait(studio):
    await studio.switch(
        preprocessors=[step("a"), step("b"), step("c")], postprocessors=[step("z", delay_ms=60)]
    )
    async with asyncio.timeout(30):
        while len(studio.shown) < 20:
            studio.feed()
            await asyncio.sleep(0.01)
    (last,) = [at for label, _, at, _ in Step.calls[-1:]] or [0]
    n_taken = sum(label == "a" for label, *_ in Step.calls)
    n_done = sum(label == "z" for label, *_ in Step.calls)
    assert last and n_taken - n_done <= 6  # the camera's queue drops, not the line
    assert studio.production.dropped > 0
    numbers = [frame.epoch for frame in studio.shown]
    assert all(a < b for a, b in pairwise(numbers))


async def test_settings_of_one_stage_change_live_and_only_there(studio):
    await studio.switch(pipeline="test-step", postprocessors=[step("a"), step("b")])
    await studio.show(1)
    change = asyncio.create_task(studio.production.update_settings({"offset": 30}, "b"))
    reply = await change
    assert reply["applied"] and reply["settings"]["offset"] == 30
    await studio.show(1)
    assert studio.level == pytest.approx(70, abs=2)
    stages = studio.stages()
    assert stages["b"]["revision"] == 2 and stages["a"]["revision"] == 1
    assert stages["a"]["settings"]["offset"] == 0
    with pytest.raises(NotFound, match="main, a, b"):
        await studio.production.update_settings({"offset": 1}, "zz")
    with pytest.raises(InvalidSettings, match="load parameter"):
        await studio.production.update_settings({"model": 1}, "b")


async def test_a_list_changes_settings_live_and_load_params_by_loading_anew(studio):
    await studio.switch(postprocessors=[step("a", offset=10)])
    await studio.show(1)
    await studio.switch(postprocessors=[step("a", offset=20)])
    await studio.show(2)
    assert studio.level == pytest.approx(60, abs=2)
    assert len({instance for _, instance, *_ in Step.calls}) == 1
    await studio.switch(postprocessors=[step("a", model=7)])
    await studio.show(1)
    assert studio.stages()["a"]["settings"]["offset"] == 20
    assert studio.stages()["a"]["revision"] == 1


async def test_switching_the_main_pipeline_keeps_the_others(studio):
    await studio.switch(postprocessors=[step("a", offset=10)])
    await studio.show(1)
    instance = Step.calls[-1][1]
    await studio.switch(pipeline="test-step", settings={"offset": 5, "label": "main"})
    await studio.show(1)
    assert studio.level == pytest.approx(55, abs=2)
    assert Step.calls[-1][:2] == ("a", instance)
    before = {call[1] for call in Step.calls if call[0] == "main"}
    await studio.switch(postprocessors=[step("a"), step("b", offset=1)])
    await studio.show(1)
    assert {call[1] for call in Step.calls if call[0] == "main"} == before


async def test_postprocessors_work_on_a_text_pipeline_and_preprocessors_rest(studio):
    await studio.switch(
        pipeline="test-still",
        settings={"rate": 15},
        preprocessors=[step("before", offset=99)],
        postprocessors=[step("after", offset=20)],
    )
    await studio.until(lambda: len(studio.shown) >= 6)
    picture = CONVERTER.to_rgb([studio.shown[-1].frame])[0][0].float()
    assert picture[40].mean() == pytest.approx(120, abs=2)
    assert {label for label, *_ in Step.calls} == {"after"}
    stages = studio.stages()
    assert not stages["before"]["active"] and stages["after"]["active"]
    assert studio.playout.schedule.interval_s == pytest.approx(1 / 15)
    assert all(frame.sound is not None for frame in studio.shown)
    await studio.switch(mode="video")
    n_text = len(studio.shown)
    studio.feed()
    await studio.until(lambda: any(label == "before" for label, *_ in Step.calls))
    await studio.until(lambda: len(studio.shown) > n_text)


async def test_a_stage_that_makes_more_pictures_doubles_the_rate(studio):
    await studio.switch(
        pipeline="test-still", settings={"rate": 10}, postprocessors=[step("twice", repeat=2)]
    )
    await studio.until(lambda: len(studio.shown) >= 8)
    assert studio.playout.schedule.interval_s == pytest.approx(1 / 20)


async def test_arrival_times_survive_a_change_of_number(studio):
    await studio.switch(postprocessors=[step("twice", repeat=2)])
    studio.feed()
    await studio.until(lambda: len(studio.shown) == 2)
    first, second = studio.shown
    assert first.arrival == second.arrival and first.epoch == second.epoch == 0


async def test_a_stage_that_gives_up_is_bypassed_with_a_warning(studio):
    await studio.switch(postprocessors=[step("bad", fail=True), step("good", offset=10)])
    while not studio.production.warnings:
        studio.feed()
        await asyncio.sleep(0.01)
    await studio.show(1)
    assert studio.level == pytest.approx(50, abs=2)
    assert not studio.production.failed and studio.production.error is None
    (warning,) = studio.production.warnings
    assert warning.startswith("bad is bypassed") and "told to fail" in warning
    assert "told to fail" in studio.stages()["bad"]["error"]
    await studio.switch(postprocessors=[step("bad", fail=False, offset=1), step("good")])
    await studio.show(1)
    assert studio.level == pytest.approx(51, abs=2)
    assert studio.production.warnings == []


async def test_a_stage_that_hides_something_stops_the_picture_instead(studio):
    veil = {"id": "veil", "pipeline": "test-veil", "settings": {"fail": True}}
    await studio.switch(postprocessors=[veil])
    while not studio.production.failed:
        studio.feed()
        await asyncio.sleep(0.01)
    assert studio.production.error.startswith("veil: test-veil gave up")
    assert studio.shown == []
    await studio.switch(postprocessors=[{**veil, "enabled": False}])
    assert not studio.production.failed
    await studio.show(1)


async def test_planes_tensors_and_frames_mix_in_one_chain(studio):
    await studio.switch(
        preprocessors=[step("rgb", offset=10)],
        pipeline="passthrough",
        postprocessors=[{"pipeline": "gray"}, step("again", scale=2)],
    )
    await studio.show(2)
    assert studio.level == pytest.approx(100, abs=5)
    assert [read_number(frame.frame) for frame in studio.shown] == [0, 1]


async def test_a_refused_or_failing_change_leaves_everything(studio):
    await studio.switch(postprocessors=[step("a", offset=10)])
    await studio.show(1)
    before = studio.stages()
    for chain, field in [
        ({"postprocessors": [{"pipeline": "testcard"}]}, "postprocessors.0.pipeline"),
        ({"preprocessors": [{"pipeline": "none"}]}, "preprocessors.0.pipeline"),
        ({"preprocessors": [step("a")]}, "preprocessors.0.id"),
        (
            {"postprocessors": [step("a"), step("b", scale=9)]},
            "postprocessors.1.settings.scale",
        ),
        ({"postprocessors": [{"pipeline": "gray"}] * 9}, "postprocessors"),
    ]:
        with pytest.raises(InvalidInput) as refused:
            await studio.switch(**chain)
        assert [one.field for one in refused.value.fields] == [field]
    assert studio.stages().keys() == before.keys()
    await studio.show(1)
    assert np.allclose(studio.level, 50, atol=2)


class SpanConfig(StepConfig):
    pipeline_id: ClassVar[str] = "test-span"
    low: float = Field(1, json_schema_extra=ui_field_config())
    high: float = Field(5, json_schema_extra=ui_field_config())

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Span(Step):
    @classmethod
    def get_config_class(cls) -> type[SpanConfig]:
        return SpanConfig


async def test_settings_that_came_while_it_loaded_and_clash_do_not_stop_the_picture(
    studio, monkeypatch
):
    studio.services.registry.register(Span, plugin="tests")
    await studio.switch(pipeline="test-span")
    await studio.show(1)
    acquire = studio.services.components.acquire

    async def meanwhile(*arguments):
        await studio.production.update_settings({"low": 4})
        return await acquire(*arguments)

    monkeypatch.setattr(studio.services.components, "acquire", meanwhile)
    await studio.switch(settings={"high": 2})
    await studio.show(2)
    in_force = studio.stages()["main"]["settings"]
    assert (in_force["low"], in_force["high"]) == (1, 2)
    assert len(studio.services.components) == 1


async def test_what_is_replaced_is_closed_though_nobody_waits_for_the_change_any_more(studio):
    await studio.switch(pipeline="test-step")
    change = asyncio.create_task(studio.switch(pipeline="test-veil"))
    while studio.production.pipeline_id != "test-veil":
        await asyncio.sleep(0)
    change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await change
    async with asyncio.timeout(20):
        while len(studio.services.components) > 1:
            await asyncio.sleep(0.01)
    await studio.show(1)


async def test_pictures_are_not_converted_in_the_loop_for_a_pipeline_that_computes_nothing(
    studio, monkeypatch
):
    threads = set()
    to_frames = FrameConverter.to_frames

    def noting(self, pictures):
        threads.add(threading.current_thread())
        return to_frames(self, pictures)

    await studio.switch(pipeline="passthrough", preprocessors=[step("a")])
    monkeypatch.setattr("lightmill.inference.stage.FrameConverter.to_frames", noting)
    frame = CONVERTER.to_frames([torch.zeros(48, 64, 3, dtype=torch.uint8)])[0]
    threads.clear()
    studio.production.feed(MediaFrame(frame, monotonic(), 0))
    await studio.until(lambda: len(studio.shown) == 1)
    assert threads and threading.current_thread() not in threads
