"""Frame numbers as big black and white blocks in a strip at the top of the picture.

From left to right: a black and a white guard block that tell the receiver what black and white
have become, 16 bits of the number, 8 bits of CRC, all most significant bit first. Blocks scale
with the picture, so a server may resize it. A strip that a codec or a loss has damaged is
unreadable rather than misread.
"""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

NUMBER_BITS, CRC_BITS = 16, 8
N_BLOCKS = 2 + NUMBER_BITS + CRC_BITS
STRIP_PART = 16
"""The strip is this fraction of the picture's height: 30 lines of 480, 45 of 720."""
BLACK, WHITE = 16, 235
"""Limited-range luma (ITU-R BT.709 section 3.5)."""
MIN_CONTRAST = 80
"""Luma between the guards below which nothing is read."""
MAX_DOUBT = 0.3
"""A block further than this part of the contrast from black and from white is unreadable."""
CRC_POLYNOMIAL = 0x07
"""x^8 + x^2 + x + 1 (ITU-T I.432.1 section 4.3.2)."""


def draw_number(luma: NDArray[np.uint8], number: int) -> None:
    """Write ``number`` into the strip of ``luma`` (H, W), in place."""
    height, width = luma.shape
    code = number << CRC_BITS | crc8(number)
    bits = [0, 1, *(code >> shift & 1 for shift in reversed(range(NUMBER_BITS + CRC_BITS)))]
    for block, bit in enumerate(bits):
        left, right = round(block * width / N_BLOCKS), round((block + 1) * width / N_BLOCKS)
        luma[: height // STRIP_PART, left:right] = WHITE if bit else BLACK


def read_number(luma: NDArray[np.uint8]) -> int | None:
    """The number in the strip of ``luma`` (H, W); None when it is damaged or was never there."""
    height, width = luma.shape
    strip = height // STRIP_PART
    rows = luma[strip // 4 : max(strip // 4 + 1, strip * 3 // 4)]
    levels = [_level(rows, block, width) for block in range(N_BLOCKS)]
    black, contrast = levels[0], levels[1] - levels[0]
    if contrast < MIN_CONTRAST:
        return None
    code = 0
    for level in levels[2:]:
        whiteness = (level - black) / contrast
        if MAX_DOUBT < whiteness < 1 - MAX_DOUBT:
            return None
        code = code << 1 | (whiteness > 0.5)
    number = code >> CRC_BITS
    return number if crc8(number) == code & 0xFF else None


def read_frame(frame: av.VideoFrame) -> int | None:
    """`read_number` of a decoded picture with planar luma; only the strip is touched."""
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)  # (H, stride)
    return read_number(luma[: frame.height, : frame.width])


def crc8(number: int) -> int:
    """CRC-8 of a 16-bit number, so that 0 does not look like an all-black strip."""
    crc = 0xFF
    for byte in (number >> 8 & 0xFF, number & 0xFF):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ CRC_POLYNOMIAL) & 0xFF if crc & 0x80 else crc << 1
    return crc


def _level(rows: NDArray[np.uint8], block: int, width: int) -> float:
    """The mean of the middle half of a block."""
    left, right = block * width / N_BLOCKS, (block + 1) * width / N_BLOCKS
    quarter = (right - left) / 4
    return float(rows[:, int(left + quarter) : max(int(right - quarter), int(left) + 1)].mean())
