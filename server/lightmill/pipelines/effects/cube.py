"""Colour look-up tables in the ``.cube`` format (Adobe's "Cube LUT Specification 1.0", 2013).

A file of 33 x 33 x 33 points has a megabyte, and settings travel with every state of a session. So a
table is kept `packed`: thinned to 17 points an edge, in levels of 255, over the domain 0 to 1, as
a ``.cube`` whose points are one line of Base64. `parse` reads both.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightmill.pipelines.opencv import Picture

MAX_TEXT_LENGTH = 1_500_000
"""Characters: 33 points an edge with 12 digits."""
MAX_SIZE_3D = 65
MAX_SIZE_1D = 65_536
PACKED_SIZE = 17
TABLE_SIZE = 256
MAX_TITLE_LENGTH = 80
PACKED_KEYWORD = "LIGHTMILL_PACKED"
NUMBERS = {"DOMAIN_MIN": 3, "DOMAIN_MAX": 3, "LUT_1D_INPUT_RANGE": 2, "LUT_3D_INPUT_RANGE": 2}
SIZES = {"LUT_1D_SIZE": MAX_SIZE_1D, "LUT_3D_SIZE": MAX_SIZE_3D}


class InvalidCube(ValueError):
    """Text that is no ``.cube`` table; the message names the line and what should stand there."""


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """A table over the domain 0 to 1, with values in levels of 255, uint8.

    ``points`` is ``(256, 3)`` for a one-dimensional table, or ``(B, G, R, 3)``.
    """

    title: str
    points: Picture

    @property
    def is_3d(self) -> bool:
        return self.points.ndim == 4


@dataclass(slots=True)
class _Read:
    """What has been read so far."""

    title: str = ""
    keyword: str = ""
    size: int = 0
    low: tuple[float, ...] = (0.0, 0.0, 0.0)
    high: tuple[float, ...] = (1.0, 1.0, 1.0)
    packed: str = ""


def parse(text: str) -> Cube:
    """Read a ``.cube`` text, packed or not.

    Raises:
        InvalidCube: something is missing, wrong or too large.

    """
    read = _Read()
    rows: list[tuple[int, str]] = []
    lines = text.replace("\ufeff", "").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split("#", 1)[0].split() if '"' not in line else line.split()
        if not words:
            continue
        if words[0][0].isalpha():
            _keyword(read, number, words, line)
            continue
        if not rows:
            values = _all_at_once(read, lines[number - 1 :])
            if values is not None:
                return _resampled(read, values)
        rows.append((number, line))
    if not read.size:
        raise InvalidCube("there is no line LUT_3D_SIZE or LUT_1D_SIZE with the number of points")
    if read.packed:
        return _unpacked(read)
    return _resampled(read, _values(read, rows))


def _all_at_once(read: _Read, lines: list[str]) -> Picture | None:
    """The points when only points are left, as nearly always: four times as fast as line by line.

    ``None`` when anything is unusual; line by line it becomes clear what.
    """
    try:
        values = np.array(list(map(float, " ".join(lines).split())))
    except ValueError:
        return None
    if not read.size or values.size != _points(read) * 3 or not np.isfinite(values).all():
        return None
    return values.reshape(-1, 3)


def _points(read: _Read) -> int:
    return read.size**3 if read.keyword == "LUT_3D_SIZE" else read.size


def _keyword(read: _Read, number: int, words: list[str], line: str) -> None:
    name = words[0].upper()
    if name == "TITLE":
        read.title = line.strip()[5:].strip().strip('"')[:MAX_TITLE_LENGTH]
    elif name in SIZES:
        read.keyword, read.size = name, _size(number, name, words)
    elif name in NUMBERS:
        values = _floats(number, words[1:], NUMBERS[name])
        if name == "DOMAIN_MIN":
            read.low = values
        elif name == "DOMAIN_MAX":
            read.high = values
        else:
            read.low, read.high = (values[0],) * 3, (values[1],) * 3
        if name == "DOMAIN_MAX" or len(values) == 2:
            _check_domain(read, number)
    elif name == PACKED_KEYWORD and len(words) == 2:
        read.packed = words[1]
    else:
        known = ", ".join(["TITLE", *SIZES, *NUMBERS])
        raise InvalidCube(f"line {number}: {words[0][:40]!r} is no keyword; there are {known}")


def _size(number: int, name: str, words: list[str]) -> int:
    largest = SIZES[name]
    if len(words) != 2 or not words[1].isdecimal() or not 2 <= int(words[1][:9]) <= largest:
        raise InvalidCube(f"line {number}: {name} takes a number from 2 to {largest}")
    return int(words[1])


def _check_domain(read: _Read, number: int) -> None:
    if any(high <= low for low, high in zip(read.low, read.high, strict=True)):
        raise InvalidCube(f"line {number}: the domain's end must be above its start")


def _floats(number: int, words: Sequence[str], count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = ()
    if len(values) != count or not all(np.isfinite(values)):
        shown = " ".join(words)[:40]
        raise InvalidCube(f"line {number}: there must be {count} numbers, not {shown!r}")
    return values


def _values(read: _Read, rows: list[tuple[int, str]]) -> Picture:
    """The points line by line, ``(N, 3)`` float64, to name the wrong one."""
    values = [_floats(number, line.split("#")[0].split(), 3) for number, line in rows]
    if len(values) != _points(read):
        last = f", the last in line {rows[-1][0]}" if rows else ""
        wanted = f"{read.keyword} {read.size} needs {_points(read)} points"
        raise InvalidCube(f"{wanted}, not {len(values)}{last}")
    return np.array(values)


def _resampled(read: _Read, values: Picture) -> Cube:
    """Bring a table to the domain 0 to 1, and to no more points than are kept."""
    is_3d = read.keyword == "LUT_3D_SIZE"
    kept = min(read.size, PACKED_SIZE) if is_3d else TABLE_SIZE
    if is_3d:
        points = values.reshape(read.size, read.size, read.size, 3)  # (B, G, R, 3)
        for axis, channel in ((2, 0), (1, 1), (0, 2)):
            points = _along(points, axis, kept, read.low[channel], read.high[channel])
    else:
        points = np.concatenate(
            [_along(values[:, c : c + 1], 0, kept, read.low[c], read.high[c]) for c in range(3)],
            axis=1,
        )
    return Cube(read.title, np.rint(points.clip(0, 1) * 255).astype(np.uint8))


def _along(points: Picture, axis: int, kept: int, low: float, high: float) -> Picture:
    """Sample one axis at ``kept`` places from 0 to 1, linearly between points."""
    size = points.shape[axis]
    at = ((np.linspace(0, 1, kept) - low) / (high - low)).clip(0, 1) * (size - 1)
    below = np.minimum(at.astype(np.int64), size - 2)
    shape = [1] * points.ndim
    shape[axis] = kept
    share = (at - below).reshape(shape)
    return points.take(below, axis) * (1 - share) + points.take(below + 1, axis) * share


def packed(cube: Cube) -> str:
    """A short text that `parse` reads back as the same table."""
    size = cube.points.shape[0]
    keyword = "LUT_3D_SIZE" if cube.is_3d else "LUT_1D_SIZE"
    steps = np.diff(cube.points.reshape(-1, 3), axis=0, prepend=np.zeros((1, 3), np.uint8))
    points = base64.b64encode(zlib.compress(steps.astype(np.uint8).tobytes(), 9)).decode()
    title = f'TITLE "{cube.title}"\n' if cube.title else ""
    return f"{title}{keyword} {size}\n{PACKED_KEYWORD} {points}\n"


def _unpacked(read: _Read) -> Cube:
    is_3d = read.keyword == "LUT_3D_SIZE"
    limit = PACKED_SIZE if is_3d else TABLE_SIZE
    if read.size > limit or (not is_3d and read.size != TABLE_SIZE):
        raise InvalidCube(f"{PACKED_KEYWORD}: {read.keyword} must be {limit} here")
    shape = (read.size,) * (3 if is_3d else 1) + (3,)
    size_bytes = int(np.prod(shape))
    try:
        unzip = zlib.decompressobj()
        raw = unzip.decompress(base64.b64decode(read.packed, validate=True), size_bytes)
    except (binascii.Error, zlib.error) as error:
        raise InvalidCube(f"{PACKED_KEYWORD}: the packed points are damaged: {error}") from error
    if len(raw) != size_bytes or not unzip.eof:
        raise InvalidCube(f"{PACKED_KEYWORD}: there must be {size_bytes} bytes of points")
    steps = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    points = np.cumsum(steps, axis=0, dtype=np.uint8).reshape(shape)
    return Cube(read.title, points)
