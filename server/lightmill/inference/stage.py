"""One pipeline instance of one session: frames in, frames out, in the device's thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import av
import torch

from lightmill.errors import PipelineFailed
from lightmill.inference.chunk_data import encode_data
from lightmill.inference.components import ComponentLease
from lightmill.inference.sound import to_sound
from lightmill.media.frames import MediaFrame
from lightmill.media.opus import Sound
from lightmill.media.pixels import FrameConverter, split_output
from lightmill.pipelines.contract import Pipeline, Requirements

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one call made: frames in display order, and their rate when the pipeline says it.

    ``audio`` belongs to the whole chunk and starts with its first frame; every frame points to it.
    ``data`` is JSON text for clients.
    """

    frames: list[MediaFrame]
    frame_rate: float | None
    audio: Sound | None = None
    data: str | None = None


class Stage:
    """Wraps a `Pipeline`; every method here runs in the device's thread, one at a time."""

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

    def prepare(self, settings: Mapping[str, Any], *, video: bool) -> Requirements | None:
        """Ask how many frames the next chunk takes; ``None`` means none (text mode)."""
        kwargs = dict(settings)
        if video:
            kwargs["video"] = True
        return self._pipeline.prepare(**kwargs)

    def process(
        self, frames: list[MediaFrame], settings: Mapping[str, Any], controls: object | None
    ) -> Chunk:
        """Compute one chunk.

        Raises:
            PipelineFailed: the pipeline raised nothing, but its result cannot be used.
            MediaError: a frame could not be converted.

        """
        kwargs = dict(settings)
        kwargs["init_cache"] = self._first
        if controls is not None:
            kwargs["ctrl_input"] = controls
        with torch.inference_mode():
            if frames:
                kwargs["video"] = self._take_in([frame.frame for frame in frames])
            result: object = self._pipeline(**kwargs)
            self._first = False
            video, frame_rate, audio = _unpack(result, self.pipeline_class.__name__)
            pictures = self._converter.to_frames(split_output(video))
        stamped = _stamp(pictures, frames, monotonic())
        if audio is not None:
            _attach(audio, stamped)
        return Chunk(stamped, frame_rate, audio, _data_of(result, self.pipeline_class.__name__))

    def _take_in(self, frames: list[av.VideoFrame]) -> Sequence[object]:
        if self._accepts == "native":
            return frames
        if self._accepts == "yuv420p":
            return self._converter.to_planes(frames)
        return self._converter.to_rgb(frames)

    def close(self) -> None:
        """Release the pipeline's state and its hold on shared components. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
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
    rate = entries.get("frame_rate")
    audio = entries.get("audio")
    sound = None if audio is None else to_sound(audio, entries.get("audio_rate"), name)
    return entries["video"], float(rate) if rate else None, sound


def _data_of(result: object, name: str) -> str | None:
    if not isinstance(result, Mapping):
        return None
    entries: Mapping[str, object] = result  # pyright: ignore[reportUnknownVariableType]
    data = entries.get("data")
    return None if data is None else encode_data(data, name)


def _attach(sound: Sound, frames: list[MediaFrame]) -> None:
    """Tell each frame where it stands in the sound of its chunk."""
    for index, frame in enumerate(frames):
        frame.sound = sound
        frame.sound_at_s = sound.duration_s * index / len(frames)


def _stamp(
    pictures: list[av.VideoFrame], sources: list[MediaFrame], now: float
) -> list[MediaFrame]:
    """Give each output frame the arrival time of the input frame that it stands for."""
    stamped: list[MediaFrame] = []
    for index, picture in enumerate(pictures):
        if sources:
            source = sources[index * len(sources) // len(pictures)]
            frame = MediaFrame(picture, source.arrival, source.epoch)
            frame.dequeued = source.dequeued
        else:
            frame = MediaFrame(picture, now)
        frame.inferred = now
        stamped.append(frame)
    return stamped
