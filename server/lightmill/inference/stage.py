"""One pipeline instance of one session: pictures in, pictures out, in the device's thread."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic
from typing import Any

import torch

from lightmill.errors import PipelineFailed
from lightmill.inference.chunk_data import encode_data
from lightmill.inference.components import ComponentLease
from lightmill.inference.sound import to_sound
from lightmill.media.frames import StagePicture
from lightmill.media.opus import Sound
from lightmill.media.pixels import FrameConverter, Picture, split_output
from lightmill.pipelines.contract import Pipeline, Requirements

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one call made, in display order. ``ready``: they are frames that can be played."""

    pictures: list[StagePicture]
    ready: bool
    data: str | None = None
    """JSON text for clients."""

    @property
    def frame_rate(self) -> float | None:
        return self.pictures[0].frame_rate if self.pictures else None


class Stage:
    """Wraps a `Pipeline`; every method here runs in the device's thread, one at a time.

    Pictures come in whatever form the stage before returned; they are converted when the pipeline
    accepts another, and once more behind the last stage.
    """

    def __init__(
        self,
        pipeline: type[Pipeline],
        settings: Mapping[str, Any],
        device: torch.device,
        lease: ComponentLease,
    ) -> None:
        self.pipeline_class = pipeline
        self.device = device
        self.wants_controls = "ctrl_input" in pipeline.get_config_class().model_fields
        self._accepts = pipeline.accepts
        self._converter = FrameConverter(device)
        self._lease = lease
        self._pipeline = pipeline(device=device, components=lease.components, **settings)
        self._first = True
        self._closed = False
        self._turn = Lock()

    def prepare(self, settings: Mapping[str, Any], *, video: bool) -> Requirements | None:
        """Ask how many frames the next chunk takes; ``None`` means none (text mode)."""
        kwargs = dict(settings)
        if video:
            kwargs["video"] = True
        with self._turn:
            return self._pipeline.prepare(**kwargs)

    def process(
        self,
        pictures: list[StagePicture],
        settings: Mapping[str, Any],
        controls: object | None,
        *,
        last: bool,
    ) -> Chunk:
        """Compute one chunk; with ``last`` its pictures are made ready to be played.

        Raises:
            PipelineFailed: the pipeline raised nothing, but its result cannot be used.
            MediaError: a picture could not be converted.

        """
        kwargs = dict(settings)
        kwargs["init_cache"] = self._first
        if controls is not None:
            kwargs["ctrl_input"] = controls
        with self._turn, torch.inference_mode():
            if pictures:
                kwargs["video"] = self._take_in([one.picture for one in pictures])
            result: object = self._pipeline(**kwargs)
            self._first = False
            video, frame_rate, audio = _unpack(result, self.pipeline_class.__name__)
            made = split_output(video, own=not last and self._accepts != "any")
            if last:
                made = [*self._converter.to_frames(made)]
        stamped = _stamp(made, pictures)
        if audio is not None:
            _attach(audio, stamped)
        _pace(stamped, pictures, frame_rate)
        return Chunk(stamped, last, _data_of(result, self.pipeline_class.__name__))

    def finish(self, chunk: Chunk) -> Chunk:
        """Make pictures that were meant for another stage ready to be played."""
        with self._turn, torch.inference_mode():
            frames = self._converter.to_frames([one.picture for one in chunk.pictures])
        for one, frame in zip(chunk.pictures, frames, strict=True):
            one.picture = frame
        return replace(chunk, ready=True)

    def _take_in(self, pictures: list[Picture]) -> Sequence[object]:
        if self._accepts == "any":
            return pictures
        if self._accepts == "native":
            return self._converter.to_frames(pictures)
        if self._accepts == "yuv420p":
            return self._converter.as_planes(pictures)
        return self._converter.as_rgb(pictures)

    def close(self) -> None:
        """Release the pipeline's state and its hold on shared components. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._turn:
                self._pipeline.close()
        except Exception:
            logger.exception("%s raised while closing", self.pipeline_class.__name__)
        self._lease.release()


def _unpack(result: object, name: str) -> tuple[object, float | None, Sound | None]:
    """Accept ``{"video": ..., "audio"?: ...}`` and, as plug-ins in the wild do, the bare video."""
    if not isinstance(result, Mapping):
        if result is None:
            raise PipelineFailed(f'{name} returned None; return {{"video": tensor}}')
        return result, None, None
    entries: Mapping[str, Any] = result  # pyright: ignore[reportUnknownVariableType]
    if "video" not in entries:
        raise PipelineFailed(f'{name} returned no "video"; it has {sorted(entries)}')
    rate = _rate_of(entries.get("frame_rate"), name)
    audio = entries.get("audio")
    sound = None if audio is None else to_sound(audio, entries.get("audio_rate"), name)
    return entries["video"], rate, sound


def _rate_of(said: Any, name: str) -> float | None:  # Any: whatever a pipeline returned
    rate = float(said) if said else None
    if rate is not None and not 0 < rate < math.inf:
        raise PipelineFailed(f'{name} returned {said} as "frame_rate"; return pictures per second')
    return rate


def _data_of(result: object, name: str) -> str | None:
    if not isinstance(result, Mapping):
        return None
    entries: Mapping[str, object] = result  # pyright: ignore[reportUnknownVariableType]
    data = entries.get("data")
    return None if data is None else encode_data(data, name)


def _attach(sound: Sound, pictures: list[StagePicture]) -> None:
    """Tell each picture where it stands in the sound of its chunk."""
    for index, one in enumerate(pictures):
        one.sound = sound
        one.sound_at_s = sound.duration_s * index / len(pictures)


def _stamp(made: Sequence[Picture], sources: list[StagePicture]) -> list[StagePicture]:
    """Give each picture the times and the sound of the one that it stands for."""
    if not sources:
        now = monotonic()
        return [StagePicture(picture, now) for picture in made]
    stands_for = (sources[index * len(sources) // len(made)] for index in range(len(made)))
    return [
        replace(source, picture=picture) for picture, source in zip(made, stands_for, strict=True)
    ]


def _pace(made: list[StagePicture], sources: list[StagePicture], said: float | None) -> None:
    """Set the rate: what the pipeline says, else what came in, changed as the number changed."""
    rate = said
    if rate is None and sources and (came := sources[0].frame_rate) is not None:
        rate = came * len(made) / len(sources)
    for one in made:
        one.frame_rate = rate
