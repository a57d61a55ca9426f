"""A video frame together with what the server knows about its time."""

from __future__ import annotations

from dataclasses import dataclass

import av

from lightmill.media.opus import Sound


@dataclass(slots=True)
class MediaFrame:
    """One picture on its way through a session.

    All times are seconds of the process' monotonic clock. ``epoch`` grows when the stream starts
    anew (another publisher, another pipeline), so that late frames of the old one can be told
    apart. The stamps are ``None`` until the frame has reached that place.
    """

    frame: av.VideoFrame
    arrival: float
    epoch: int = 0
    dequeued: float | None = None
    inferred: float | None = None
    released: float | None = None
    sound: Sound | None = None
    """The whole sound of the chunk that this frame is from; all its frames share it."""
    sound_at_s: float = 0.0
    """Where in that sound this frame stands."""
