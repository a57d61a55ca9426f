"""Writes a session's packets into MP4 files, in a thread of its own."""

from __future__ import annotations

import errno
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from lightmill.errors import LightmillError, LimitReached, MediaError
from lightmill.media.disk_file import DiskFile
from lightmill.media.frames import OutgoingFrame
from lightmill.media.muxer import Muxer, SoundCodec
from lightmill.media.programme import Programme

logger = logging.getLogger(__name__)

QUEUE_PACKETS = 400
"""About five seconds of a slow disk; then pictures are left out up to the next keyframe."""
CHECK_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been written so far, of all parts; ``part`` is the newest file."""

    part: Path | None = None
    duration_s: float = 0.0
    size_bytes: int = 0
    n_parts: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    frame: OutgoingFrame
    is_picture: bool


class Recorder:
    """`PacketTaker` whose thread writes fragments, each one whole; a picture of another size begins another file.

    ``paths`` names the file of a part (from 1). ``check`` gets what is written so far and raises
    `LimitReached` when it is enough; it is called about once a second and may block. ``on_end``
    is called once, in the thread, with what ended it: ``None`` after `finish`.
    """

    def __init__(
        self,
        paths: Callable[[int], Path],
        sound: SoundCodec,
        check: Callable[[Progress], None],
        on_end: Callable[[LightmillError | None], None],
    ) -> None:
        self.progress = Progress()
        """Replaced by the thread, never changed."""
        self.dropped = 0
        """Packets that found the queue full."""
        self._paths = paths
        self._sound: SoundCodec = sound
        self._check = check
        self._on_end = on_end
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._begun = False
        self._finished = False
        self._programme: Programme | None = None
        self._file: DiskFile | None = None
        self._header_bytes = 0
        self._before = Progress()
        self._checked_at = monotonic()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def picture(self, frame: OutgoingFrame) -> bool:
        """Queue a picture; the first is a keyframe of the session's own, no card."""
        if not self._begun:
            if frame.picture is None or frame.picture.still:
                return True
            if not frame.keyframe:
                return False
            self._begun = True
        return self._put(_Item(frame, is_picture=True))

    def sound(self, packet: OutgoingFrame) -> None:
        if self._begun:
            self._put(_Item(packet, is_picture=False))

    def _put(self, item: _Item) -> bool:
        if self._finished:
            return True
        if self._queue.qsize() >= QUEUE_PACKETS:
            self.dropped += 1
            return False
        self._queue.put(item)
        return True

    def finish(self) -> None:
        """Write what is queued, and the end. Idempotent."""
        if not self._finished:
            self._finished = True
            self._queue.put(None)

    def _run(self) -> None:
        cause: LightmillError | None = None
        try:
            while (item := self._queue.get()) is not None:
                self._write(item)
            self._end_part()
        except LimitReached as limit:
            cause = self._ended_by(limit)
        except (OSError, MediaError) as error:
            self._abandon_part()
            cause = MediaError(_why(error))
        except Exception as error:  # the wall between a recording and its session
            logger.exception("a recording failed")
            self._abandon_part()
            cause = MediaError(f"{type(error).__name__}: {error}")
        self._finished = True
        self._on_end(cause)

    def _ended_by(self, limit: LimitReached) -> LightmillError:
        try:
            self._end_part()
        except (OSError, MediaError) as error:
            self._abandon_part()
            return MediaError(_why(error))
        return limit

    def _write(self, item: _Item) -> None:
        picture = item.frame.picture
        if picture is not None and item.is_picture:
            size = (picture.width, picture.height)
            if self._programme is None or (item.frame.keyframe and self._programme.size != size):
                self._end_part()
                self._begin_part(item.frame)
        programme = self._programme
        assert programme is not None
        self._put_in(programme, item)
        self._note(programme)
        if monotonic() - self._checked_at >= CHECK_INTERVAL_S:
            self._checked_at = monotonic()
            self._check(self.progress)

    def _put_in(self, programme: Programme, item: _Item) -> None:
        """Write one packet; what a full disk took of a fragment is taken back."""
        assert self._file is not None
        whole_bytes = self._file.tell()
        try:
            if item.is_picture:
                programme.picture(item.frame)
            else:
                programme.sound(item.frame)
        except OSError:
            self._file.cut(whole_bytes)
            raise

    def _note(self, programme: Programme) -> None:
        assert self._file is not None
        self.progress = replace(
            self.progress,
            duration_s=self._before.duration_s + programme.duration_s,
            size_bytes=self._before.size_bytes + self._file.tell(),
        )

    def _begin_part(self, first: OutgoingFrame) -> None:
        number = self.progress.n_parts + 1
        path = self._paths(number)
        self._file = DiskFile(path)
        self.progress = replace(self.progress, part=path, n_parts=number)
        open_muxer = partial(Muxer, self._file, "mp4", self._sound)
        self._header_bytes = sys.maxsize
        self._programme = Programme(first, open_muxer)
        self._header_bytes = self._file.tell()

    def _end_part(self) -> None:
        programme, file = self._programme, self._file
        if programme is None or file is None:
            return
        whole_bytes = file.tell()
        try:
            programme.close()
        except OSError:
            file.cut(whole_bytes)
            raise
        self._note(programme)
        self._before = self.progress
        file.close()
        self._programme = self._file = None

    def _abandon_part(self) -> None:
        """Leave the file as it is: its fragments play. One without any goes."""
        file, self._file, self._programme = self._file, None, None
        if file is None or self.progress.part is None:
            return
        empty = file.tell() <= self._header_bytes
        file.close()
        if empty:
            self.progress.part.unlink(missing_ok=True)


def _why(error: OSError | MediaError) -> str:
    cause = str(error)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cause = "the disk is full" if full else error.strerror or cause
    return f"the recording ended: {cause}"
