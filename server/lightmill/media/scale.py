"""Smaller pictures; `congestion.ladder` says how large."""

from __future__ import annotations

import av
from av.video.reformatter import Interpolation, VideoReformatter

from lightmill.errors import MediaError
from lightmill.media.planar import PLANAR_FORMATS, reference

MIN_DIMENSION = 16


class Scaler:
    """Scales one stream; it reuses its swscale context, so it belongs to one thread at a time."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def scale(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """Return ``frame`` as yuv420p of this even size; the frame itself when it is so already.

        Shrinking averages areas, so that fine texture does not flicker. Colour tags are kept.

        Raises:
            MediaError: the size is odd or too small.

        """
        if width % 2 or height % 2 or min(width, height) < MIN_DIMENSION:
            raise MediaError(f"cannot scale to {width}x{height}; sizes are even and at least 16")
        if (frame.format.name, frame.width, frame.height) == ("yuv420p", width, height):
            return frame
        smaller = width * height < frame.width * frame.height
        planar = frame.format.name in PLANAR_FORMATS
        return self._reformatter.reformat(
            reference(frame) if planar else frame,  # PyAV writes to its source meanwhile
            width,
            height,
            "yuv420p",
            interpolation=Interpolation.AREA if smaller else Interpolation.BILINEAR,
            threads=1,
        )
