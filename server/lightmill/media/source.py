"""Pictures and sound of a file, a camera or a URL, read in a thread of its own, at its own pace."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Any, Protocol, cast

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.video.reformatter import VideoReformatter

from lightmill.errors import SourceRefused
from lightmill.media.inputs import InputLimits, SourceKind, explain, open_input
from lightmill.media.interrupt import Interrupt
from lightmill.media.planar import PLANAR_FORMATS, rows_of
from lightmill.media.source_sound import SourceSound
from lightmill.media.timeline import Timeline

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
MAX_BROKEN_PACKETS = 100
"""In a row; then the stream is given up and opened anew."""


class SourceState(StrEnum):
    """How a source is doing."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FAILED = "failed"


OVER = frozenset({SourceState.ENDED, SourceState.FAILED})
"""Nothing comes any more."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A checked wish: ``address`` is what FFmpeg opens, ``shown`` has no credentials."""

    address: str
    shown: str
    kind: SourceKind
    loop: bool
    transport: str = "tcp"

    @property
    def paced(self) -> bool:
        return self.kind in (SourceKind.FILE, SourceKind.HTTP)


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Of the configuration: ``sources`` and ``media``."""

    inputs: InputLimits
    reconnect_max_s: float
    audio_bitrate_bps: int


class SourceSink(Protocol):
    """Called in the reader's thread; must not block."""

    def picture(self, frame: av.VideoFrame) -> None:
        """Take a yuv420p or yuvj420p picture of even size; nobody else writes into it."""
        ...

    def sound(self, payload: bytes, media_s: float, due: float) -> None:
        """Take an Opus packet: its place on the source's timeline, and when it is due."""
        ...

    def state_changed(self, state: SourceState, why: str | None) -> None: ...


class SourceReader:
    """Reads until `stop`, or until there is nothing more; network sources are opened again and again.

    A file or HTTP source is paced by its timestamps; what comes in real time is passed on as it
    comes.
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits, sink: SourceSink) -> None:
        self._spec = spec
        self._limits = limits
        self._sink = sink
        self._interrupt = Interrupt()
        self._timeline = Timeline()
        self._planar = Planar()
        self._n_pictures = 0
        self._shows = False
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does within about 0.1 s, wherever it is."""
        self._interrupt.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; whether it has ended, or never began."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._interrupt.adopt()
        try:
            self._sink.state_changed(SourceState.CONNECTING, None)
            state, why = self._read_all()
            if not self._interrupt.is_set():
                self._sink.state_changed(state, why)
        except SourceRefused as error:
            self._sink.state_changed(SourceState.FAILED, str(error))
        except Exception:
            logger.exception("%s: reading the source failed", self._spec.shown)
            self._sink.state_changed(SourceState.FAILED, "the server failed; its log says how")

    def _read_all(self) -> tuple[SourceState, str | None]:
        """Read to the end, over interruptions; the state that remains and its reason."""
        n_failures, keeps_trying = 0, self._spec.kind is not SourceKind.FILE
        while not self._interrupt.is_set():
            before, why = self._n_pictures, "the stream ended"
            try:
                if self._read_once():
                    return SourceState.ENDED, None
            except (FFmpegError, OSError) as error:
                why = explain(error)
                if not keeps_trying:
                    return SourceState.FAILED, why
            if self._interrupt.is_set():
                break
            n_failures = 1 if self._n_pictures > before else n_failures + 1
            self._shows = False
            self._sink.state_changed(SourceState.RECONNECTING, why)
            self._interrupt.wait(retry_after_s(n_failures, self._limits.reconnect_max_s))
            self._timeline.reconnected()
        return SourceState.ENDED, None

    def _read_once(self) -> bool:
        """Open and read to the end; whether that is the end for good.

        Raises:
            SourceRefused: nothing of it can be shown.
            FFmpegError: the source is not there, or no longer.

        """
        spec = self._spec
        while True:
            opened = open_input(
                spec.address, spec.kind, self._limits.inputs, transport=spec.transport
            )
            with opened as container:
                finite = spec.kind is SourceKind.FILE or container.duration is not None
                self._read_rounds(container, finite=finite)
            if self._interrupt.is_set() or not (finite and spec.loop):
                return finite
            self._timeline.restart()

    def _read_rounds(self, container: InputContainer, *, finite: bool) -> None:
        """Read to the end; what is finite and looped again and again, as long as it can be rewound.

        Raises:
            SourceRefused: it is finite and has no picture; a live stream may have one next time.

        """
        sound = self._sound_of(container)
        while True:
            before = self._n_pictures
            self._read_round(container, sound)
            if self._interrupt.is_set():
                return
            if not finite:
                return
            if self._n_pictures == before:
                raise SourceRefused("not one picture of it could be decoded")
            if not self._spec.loop or not self._rewind(container, sound):
                return

    def _sound_of(self, container: InputContainer) -> SourceSound | None:
        streams = container.streams.audio
        return SourceSound(streams[0], self._limits.audio_bitrate_bps) if streams else None

    def _rewind(self, container: InputContainer, sound: SourceSound | None) -> bool:
        """Go back to the first picture; ``False`` when it cannot, as over HTTP without ranges."""
        try:
            container.seek(container.start_time or 0)
        except (FFmpegError, OSError):
            return False
        for stream in (*container.streams.video[:1], *container.streams.audio[:1]):
            codec = cast("Any", stream.codec_context)
            if codec is not None:
                codec.flush_buffers()
        self._timeline.restart()
        if sound is not None:
            sound.restart()
        return True

    def _read_round(self, container: InputContainer, sound: SourceSound | None) -> None:
        """Read from here to the end of the stream."""
        video = container.streams.video[0]
        if video.average_rate:
            self._timeline.interval_s = float(1 / video.average_rate)
        wanted = [video, *container.streams.audio[:1]]
        n_broken = 0
        for packet in container.demux(wanted):
            if self._interrupt.is_set():
                return
            if packet.stream is not video:
                if sound is not None:
                    self._play(packet, sound)
                continue
            try:
                frames = cast("list[av.VideoFrame]", packet.decode())
            except InvalidDataError:
                n_broken += 1
                if n_broken > MAX_BROKEN_PACKETS:
                    raise
                continue
            for frame in frames:
                n_broken = 0
                self._show(frame)

    def _show(self, frame: av.VideoFrame) -> None:
        pts_s = None if frame.pts is None or frame.time_base is None else frame.time
        media_s = self._timeline.place(pts_s)
        now = monotonic()
        due = self._timeline.due(media_s, now)
        picture = self._planar.convert(frame)
        if self._spec.paced and due > now and self._interrupt.wait(max(0.0, due - monotonic())):
            return
        if not self._shows:
            self._shows = True
            self._sink.state_changed(SourceState.CONNECTED, None)
        self._n_pictures += 1
        self._sink.picture(picture)

    def _play(self, packet: av.Packet[Any], sound: SourceSound) -> None:
        for payload, pts_s in sound.packets(packet):
            media_s = self._timeline.place_sound(pts_s)
            if media_s is None:
                continue
            now = monotonic()
            due = self._timeline.sound_due(media_s, now) if self._spec.paced else now
            self._sink.sound(payload, media_s, due)


class Planar:
    """Makes pictures what the session takes: upright, 4:2:0, 8 bits, even sizes."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return it as yuv420p; the frame itself when it is planar 4:2:0 of even size already."""
        width, height = max(2, frame.width & ~1), max(2, frame.height & ~1)
        planar = frame.format.name in PLANAR_FORMATS
        turns = frame.rotation // 90 % 4
        if not planar or (width, height) != (frame.width, frame.height):
            even = self._reformatter.reformat(frame, width, height, "yuv420p", threads=1)
        else:
            even = frame
        return turned(even, turns) if turns else even


def turned(frame: av.VideoFrame, turns: int) -> av.VideoFrame:
    """Turn a planar 4:2:0 picture of even size by ``turns`` right angles, counterclockwise."""
    size = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    result = av.VideoFrame(*size, frame.format.name)
    for source, target in zip(frame.planes, result.planes, strict=True):
        rows = rows_of(source)[:, : source.width]
        rows_of(target)[:, : target.width] = np.rot90(rows, turns)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    return result


def retry_after_s(n_failures: int, most_s: float) -> float:
    """Doubles from `FIRST_RETRY_S` with each failure in a row."""
    return min(most_s, FIRST_RETRY_S * 2.0 ** min(n_failures - 1, 16))
