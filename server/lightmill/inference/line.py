"""The order in which one session's stages work, and when each may start."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from lightmill.media.frames import MediaFrame, StagePicture
from lightmill.media.queue import FrameQueue

DRAIN_S = 2.0
"""A change of the order waits so long for what is under way behind it, then drops it."""


@dataclass(slots=True, eq=False)
class Seat:
    """One stage's place: what waits for it, and how much it takes and gives at once.

    ``wake`` is called whenever the stage may be able to start. ``epoch`` grows when what is under
    way must not be handed on any more.
    """

    wake: Callable[[], None]
    takes: int = 1
    gives: int = 1
    source: bool = False
    """It takes nothing: a text pipeline."""
    busy: bool = False
    failed: bool = False
    epoch: int = 0
    waiting: deque[StagePicture] = field(default_factory=deque[StagePicture])


class Line:
    """Seats in order: the first takes from the camera's `FrameQueue`, the last feeds the playout.

    A stage starts when a chunk waits for it and no whole chunk waits anywhere behind it, where a
    chunk is as long as the waiting stage takes or as any stage from here to there gives. So every
    stage works at once, the slowest sets the pace, at most two chunks wait before any stage and
    usually one in the whole line, nothing is dropped inside it, and nothing waits to be put: only
    the camera's queue drops. All methods belong to the event loop's thread.
    """

    def __init__(self, max_frame_age_s: float) -> None:
        self.queue = FrameQueue(max_age_s=max_frame_age_s)
        self.seats: list[Seat] = []
        self.dropped = 0
        """Pictures that a change of the order left behind."""
        self._held = 0
        self._stirred = asyncio.Event()

    def feed(self, frame: MediaFrame) -> None:
        """Queue a decoded frame for the first stage."""
        self.queue.put(frame)
        if self.seats:
            self.seats[0].wake()

    def may_start(self, seat: Seat) -> bool:
        if seat not in self.seats:
            return False
        index = self.seats.index(seat)
        return index >= self._held and self._chunk_waits(index) and self._has_room(index)

    def _chunk_waits(self, index: int) -> bool:
        seat = self.seats[index]
        if seat.source:
            return index == 0
        waiting = self.queue if index == 0 else seat.waiting
        return len(waiting) >= seat.takes

    def _has_room(self, index: int) -> bool:
        longest = self.seats[index].gives
        for later in self.seats[index + 1 :]:
            if len(later.waiting) >= max(later.takes, longest):
                return False
            longest = max(longest, later.gives)
        return True

    def require(self, seat: Seat, takes: int | None) -> None:
        """Note how many pictures the next chunk of ``seat`` takes; ``None`` for none."""
        seat.source, seat.takes = takes is None, takes or 1
        if takes is not None and self.is_first(seat):
            self.queue.configure(takes)

    def is_first(self, seat: Seat) -> bool:
        return bool(self.seats) and self.seats[0] is seat

    def is_last(self, seat: Seat) -> bool:
        return bool(self.seats) and self.seats[-1] is seat

    def take(self, seat: Seat) -> list[StagePicture]:
        """Begin a chunk; the caller has seen `may_start` and ends it with `finished`."""
        seat.busy = True
        if seat.source:
            return []
        if self.is_first(seat):
            return [StagePicture.of(frame) for frame in self.queue.take(seat.takes)]
        taken = [seat.waiting.popleft() for _ in range(seat.takes)]
        self._stir()
        return taken

    def hand_on(self, seat: Seat, pictures: Sequence[StagePicture]) -> bool:
        """Queue what ``seat`` made for the stage behind it; ``False`` when there is none."""
        if seat not in self.seats:
            self.dropped += len(pictures)
            return True
        if pictures:
            seat.gives = len(pictures)
        index = self.seats.index(seat) + 1
        if index == len(self.seats):
            return False
        now = monotonic()
        for picture in pictures:
            picture.entered = now
        self.seats[index].waiting.extend(pictures)
        return True

    def finished(self, seat: Seat) -> None:
        """End a chunk, whatever became of it."""
        seat.busy = False
        self._stir()

    def n_ahead(self, seat: Seat) -> int:
        """Pictures on their way behind ``seat``."""
        later = self.seats[self.seats.index(seat) + 1 :]
        return sum(len(one.waiting) + one.takes * one.busy for one in later)

    def _stir(self) -> None:
        self._stirred.set()
        for seat in self.seats:
            seat.wake()

    async def arrange(self, seats: Sequence[Seat]) -> None:
        """Change the order. What stays in front works on; what is behind the change is emptied.

        Pictures thus come out in the order in which they came in, and none that went the old way
        after one that went the new. Where stages are only added, nothing needs to be emptied.
        Cancelling it changes nothing.
        """
        new = list(seats)
        if not _is_within(self.seats, new):
            try:
                await self._drain(_n_common(self.seats, new))
            finally:
                self._held = 0
                self._stir()
        self.put(new)

    async def _drain(self, kept: int) -> None:
        self._held = max(1, kept)
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._drained():
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            for seat in self.seats[max(0, kept - 1) :]:
                seat.epoch += 1

    def _drained(self) -> bool:
        before = self.seats[: self._held]
        behind = [seat for seat in self.seats[self._held :] if not seat.failed]
        if any(seat.busy for seat in (*before, *behind)):
            return False
        return all(len(seat.waiting) < seat.takes for seat in behind)

    def put(self, seats: Sequence[Seat]) -> None:
        """Set the order at once; what waits before a stage that has another before it now is dropped."""
        old, self.seats = self.seats, list(seats)
        kept = _n_common(old, self.seats)
        if not _is_within(old, self.seats):
            for seat in {*old[kept:], *self.seats[kept:]}:
                self.dropped += len(seat.waiting)
                seat.waiting.clear()
        if self.seats:
            self.queue.configure(self.seats[0].takes)
        self._stir()

    def leave(self, seat: Seat) -> None:
        """Take out one stage that gave up, at once: what waits for it is lost."""
        self.dropped += len(seat.waiting)
        seat.waiting.clear()
        self.seats = [one for one in self.seats if one is not seat]
        self._stir()

    def close(self) -> None:
        """Forget everything. Idempotent."""
        self.queue.close()
        for seat in self.seats:
            seat.waiting.clear()
        self.seats = []


def _n_common(old: Sequence[Seat], new: Sequence[Seat]) -> int:
    """How many seats both begin with."""
    n = 0
    while n < min(len(old), len(new)) and old[n] is new[n]:
        n += 1
    return n


def _is_within(old: Sequence[Seat], new: Sequence[Seat]) -> bool:
    """Whether ``new`` has all of ``old`` in the same order."""
    rest = iter(new)
    return all(any(seat is one for one in rest) for seat in old)
