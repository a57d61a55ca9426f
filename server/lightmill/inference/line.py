"""The order in which one session's stages work, and when each may start."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import gcd
from time import monotonic

from lightmill.media.frames import MediaFrame, StagePicture
from lightmill.media.queue import FrameQueue

MARGIN = 1.25
"""Pictures start so much earlier than the averages say, for jitter."""
SMOOTHING = 0.2
"""The weight of the newest chunk's time in the average."""
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
    spent_s: float = 0.0
    """What a chunk takes, on average; 0 until the first."""
    began: float = 0.0
    waiting: deque[StagePicture] = field(default_factory=deque[StagePicture])


class Line:
    """Seats in order: the first takes from the camera's `FrameQueue`, the last feeds the playout.

    A stage starts when a chunk waits for it and every stage behind it will need more by the time
    that it can be there: what is on the way to a busy stage must not keep that busy for longer than
    the stages before it take. So all stages work at once and the slowest sets the pace, while
    before it waits one chunk and not one for each stage. Besides, before no stage wait more pictures
    than what it takes and what comes at once. Nothing is dropped inside the line, and nothing waits
    to be put: only the camera's queue drops. All methods belong to the event loop's thread.
    """

    def __init__(self, max_frame_age_s: float, clock: Callable[[], float] = monotonic) -> None:
        self.queue = FrameQueue(clock, max_frame_age_s)
        self.seats: list[Seat] = []
        self.dropped = 0
        """Pictures that a change of the order left behind."""
        self._clock = clock
        self._camera_s = 0.0
        self._fed_at: float | None = None
        self._held = 0
        self._stirred = asyncio.Event()

    def feed(self, frame: MediaFrame) -> None:
        """Queue a decoded frame for the first stage."""
        if self._fed_at is not None:
            gap_s = min(1.0, max(0.0, frame.arrival - self._fed_at))
            self._camera_s += (gap_s - self._camera_s) * SMOOTHING
        self._fed_at = frame.arrival
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
        """Whether no stage behind has enough before it, or on its way, for the time being."""
        between, longest, coming = [self.seats[index]], self.seats[index].gives, 0
        for later in self.seats[index + 1 :]:
            waiting = len(later.waiting)
            step = gcd(later.takes, *(one.gives for one in between))
            if waiting >= longest + later.takes - step:
                return False
            chunks = (waiting + coming) // later.takes
            works = later.busy or waiting >= later.takes
            if works and chunks * later.spent_s > MARGIN * self._way_s(index, between, later.takes):
                return False
            coming = (chunks + later.busy) * later.gives
            longest = max(longest, later.gives)
            between.append(later)
        return True

    def _way_s(self, index: int, between: Sequence[Seat], n_pictures: float) -> float:
        """How long these stages need for so many pictures, one after the other.

        The first of them, at ``index``, gets its pictures no faster than those before it give them.
        """
        way_s = calls_s = 0.0
        for one in reversed(between):
            calls = max(1.0, n_pictures / one.gives)
            calls_s = calls * one.spent_s
            way_s += calls_s
            n_pictures = calls * one.takes
        first = between[0]
        supply_s = max([self._camera_s, *(one.spent_s / one.gives for one in self.seats[:index])])
        gathered_s = (n_pictures - first.takes) * supply_s + first.spent_s
        return way_s + max(0.0, gathered_s - calls_s)

    def require(self, seat: Seat, takes: int | None) -> None:
        """Note how many pictures the next chunk of ``seat`` takes; ``None`` for none."""
        before = seat.source, seat.takes
        seat.source, seat.takes = takes is None, takes or 1
        if takes is not None and self.is_first(seat):
            self.queue.configure(takes)
        if before != (seat.source, seat.takes):
            self._stir()  # those before it may have more room now

    def is_first(self, seat: Seat) -> bool:
        return bool(self.seats) and self.seats[0] is seat

    def is_last(self, seat: Seat) -> bool:
        return bool(self.seats) and self.seats[-1] is seat

    def take(self, seat: Seat) -> list[StagePicture]:
        """Begin a chunk; the caller has seen `may_start` and ends it with `finished`."""
        seat.busy, seat.began = True, self._clock()
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
        now = self._clock()
        for picture in pictures:
            picture.entered = now
        self.seats[index].waiting.extend(pictures)
        return True

    def finished(self, seat: Seat) -> None:
        """End a chunk, whatever became of it."""
        spent_s = self._clock() - seat.began
        seat.spent_s += (spent_s - seat.spent_s) * (SMOOTHING if seat.spent_s else 1)
        seat.busy = False
        self._stir()

    def n_ahead(self, seat: Seat) -> int:
        """Pictures on their way behind ``seat``."""
        if seat not in self.seats:
            return 0
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
                self._empty(seat)
        if self.seats:
            self.queue.configure(self.seats[0].takes)
        self._stir()

    def leave(self, seat: Seat) -> None:
        """Take out one stage that gave up, at once: what waits for it is lost.

        So is what waits for the stage behind, when that is the first now and takes from the camera.
        """
        was_first = self.is_first(seat)
        self._empty(seat)
        self.seats = [one for one in self.seats if one is not seat]
        if was_first and self.seats:
            self._empty(self.seats[0])
            self.queue.configure(self.seats[0].takes)
        self._stir()

    def _empty(self, seat: Seat) -> None:
        self.dropped += len(seat.waiting)
        seat.waiting.clear()

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
