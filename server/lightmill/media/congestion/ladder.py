"""How large a picture, and how many of them, a bit rate is worth."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = (2160, 1440, 1080, 720, 540, 360)
"""Pixels of the shorter side; the source's own is the top step."""
NEXT_STEP = 0.85
"""The first step below a source is at most this share of it: less is not worth a keyframe."""
ENOUGH_BPP = 0.045
"""Bits per pixel with which libx264 ultrafast and libvpx in real time still look clean."""
SPARE = 1.25
"""A larger step needs this much more than enough, so that a small fall does not end it."""
SEVERE = 0.5
"""Below this share of enough nobody waits."""
DOWN_AFTER_S, UP_AFTER_S, UP_AFTER_MOST_S = 1.5, 4.0, 32.0
FAILED_S = 10.0
"""A step up that lasted no longer than this was a mistake: the next try waits twice as long."""
LEAST_BPP = 0.03
"""On the lowest step with less than this, fewer frames look better than worse ones."""
LEAST_FPS = 15.0
OVERLOAD, RELIEF = 0.9, 0.5
"""Encode time over frame interval: too slow for a step; fast enough for one with twice the work."""
OVERLOAD_S = 2.0


@dataclass(frozen=True, slots=True)
class Rung:
    """Encode at this size, and one frame of ``frame_divisor``."""

    width: int
    height: int
    frame_divisor: int = 1


class Ladder:
    """Steps down quickly and up slowly. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._step = 0
        self._size = (0, 0)
        self._short_since: float | None = None
        self._spare_since: float | None = None
        self._late_since: float | None = None
        self._rose_at = float("-inf")
        self._up_after_s = UP_AFTER_S

    def update(
        self,
        target_bps: float,
        width: int,
        height: int,
        fps: float,
        now: float,
        load: float = 0.0,
    ) -> Rung:
        """Choose for a source of this size and rate; about 10 times a second, or once a frame.

        ``load`` is the encode time of a frame over the frame interval, smoothed.
        """
        sizes = sizes_of(width, height)
        if self._size != (width, height):
            self._begin(target_bps, (width, height), sizes, fps)
        self._step_down(target_bps, sizes, fps, now, load)
        self._step_up(target_bps, sizes, fps, now, load)
        chosen = sizes[self._step]
        divisor = 1
        if self._step == len(sizes) - 1:
            divisor = _divisor(_bpp(target_bps, chosen, fps), fps)
        return Rung(*chosen, divisor)

    def _begin(
        self, target_bps: float, size: tuple[int, int], sizes: list[tuple[int, int]], fps: float
    ) -> None:
        self._size = size
        self._step = _fitting(target_bps, sizes, fps)
        self._short_since = self._spare_since = self._late_since = None

    def _step_down(
        self, target_bps: float, sizes: list[tuple[int, int]], fps: float, now: float, load: float
    ) -> None:
        self._late_since = _since(self._late_since, load > OVERLOAD, now)
        bpp = _bpp(target_bps, sizes[self._step], fps)
        self._short_since = _since(self._short_since, bpp < ENOUGH_BPP, now)
        wanted = self._step
        if bpp < SEVERE * ENOUGH_BPP or _lasted(self._short_since, DOWN_AFTER_S, now):
            wanted = max(wanted, _fitting(target_bps, sizes, fps))
        if _lasted(self._late_since, OVERLOAD_S, now):
            wanted = max(wanted, min(self._step + 1, len(sizes) - 1))
        if wanted == self._step:
            return
        failed = now - self._rose_at < FAILED_S
        self._up_after_s = min(2 * self._up_after_s, UP_AFTER_MOST_S) if failed else UP_AFTER_S
        self._step = wanted
        self._short_since = self._spare_since = self._late_since = None

    def _step_up(
        self, target_bps: float, sizes: list[tuple[int, int]], fps: float, now: float, load: float
    ) -> None:
        above = self._step - 1
        room = (
            above >= 0
            and load < RELIEF
            and _bpp(target_bps, sizes[above], fps) > SPARE * ENOUGH_BPP
        )
        self._spare_since = _since(self._spare_since, room, now)
        if _lasted(self._spare_since, self._up_after_s, now):
            self._step, self._rose_at = above, now
            self._spare_since = None


def sizes_of(width: int, height: int) -> list[tuple[int, int]]:
    """The source's size and all smaller steps, even numbers with its aspect ratio."""
    short = min(width, height)
    below = [step for step in STEPS if step <= NEXT_STEP * short]
    return [(width & ~1, height & ~1), *(_scaled(width, height, step / short) for step in below)]


def half_of(width: int, height: int) -> tuple[int, int]:
    """The size of a low rendition beside a main one of this size."""
    return _scaled(width, height, 0.5)


def _scaled(width: int, height: int, factor: float) -> tuple[int, int]:
    return max(16, 2 * round(width * factor / 2)), max(16, 2 * round(height * factor / 2))


def _bpp(target_bps: float, size: tuple[int, int], fps: float) -> float:
    return target_bps / (size[0] * size[1] * max(fps, 1.0))


def _fitting(target_bps: float, sizes: list[tuple[int, int]], fps: float) -> int:
    """The largest step with enough bits, or the lowest one."""
    enough = (step for step, size in enumerate(sizes) if _bpp(target_bps, size, fps) >= ENOUGH_BPP)
    return next(enough, len(sizes) - 1)


def _divisor(bpp: float, fps: float) -> int:
    """Frames out of which one is sent, so that each has bits enough and there are 15 a second."""
    most = max(1, int(fps / LEAST_FPS))
    divisor = 1
    while divisor < most and bpp * divisor < LEAST_BPP:
        divisor += 1
    return divisor


def _since(since: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if since is None else since


def _lasted(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since >= seconds
