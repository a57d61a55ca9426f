"""The one size of a recording whose pictures change theirs. Pure."""

from __future__ import annotations

SAME_SHAPE = 0.03
"""Aspect ratios that differ by a smaller share are the same: sizes are rounded to even numbers."""


class Canvas:
    """The largest picture so far of one shape.

    Browsers send smaller pictures while their network is poor. Those are scaled up again, so that a
    file keeps its size; a larger picture or another shape makes a new one.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None

    def update(self, width: int, height: int) -> tuple[int, int]:
        """Take a picture's size; returns the width and height to encode, both even."""
        size = (width & ~1, height & ~1)
        if self.size is None or size[0] > self.size[0] or not _same_shape(size, self.size):
            self.size = size
        return self.size


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = one[0] * other[1] / (one[1] * other[0])
    return abs(ratio - 1) < SAME_SHAPE
