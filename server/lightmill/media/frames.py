"""Frames on their way: decoded ones with what the server knows of their time, and packed ones."""

from __future__ import annotations

from dataclasses import dataclass

import av

from lightmill.media.opus import Sound
from lightmill.media.pixels import Picture


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
    rtp_timestamp: int | None = None
    """The publisher's, in 1/90000 s."""
    sound: Sound | None = None
    """The whole sound of the chunk that this frame is from; all its frames share it."""
    sound_at_s: float = 0.0
    """Where in that sound this frame stands."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture of an H.264 (Annex B) or VP8 lane, before it was packed.

    ``whole`` says that it has the size of the session's picture, ``still`` that it is a card or
    the last picture once more.
    """

    data: bytes
    width: int
    height: int
    whole: bool
    still: bool


@dataclass(slots=True)
class StagePicture:
    """One picture between two stages, in the representation that the earlier one returned.

    ``arrival``, ``epoch`` and ``dequeued`` are those of the decoded frame that it stands for;
    ``entered`` is when it was queued for the stage that takes it next. ``frame_rate`` is what it
    is to be played at, where an earlier stage said so.
    """

    picture: Picture
    arrival: float
    epoch: int = 0
    dequeued: float | None = None
    entered: float = 0.0
    frame_rate: float | None = None
    sound: Sound | None = None
    sound_at_s: float = 0.0

    @property
    def native(self) -> bool:
        """Whether it is a frame already, which nobody needs to convert to play it."""
        return isinstance(self.picture, av.VideoFrame)

    @classmethod
    def of(cls, frame: MediaFrame) -> StagePicture:
        """What the first stage gets: the decoded frame itself."""
        return cls(frame.frame, frame.arrival, frame.epoch, frame.dequeued, frame.arrival)


@dataclass(slots=True)
class OutgoingFrame:
    """The RTP payloads of one encoded frame, shared by every viewer; nobody changes them.

    ``timestamp`` counts the stream's RTP clock from any origin, ``at`` is the second of the
    monotonic clock that it stands for. ``pace_s`` is the time that the frame may take to leave.
    ``marker`` ends a picture, and begins sound after silence.
    """

    payloads: list[bytes]
    timestamp: int
    at: float
    keyframe: bool = True
    pace_s: float = 0.0
    marker: bool = True
    picture: EncodedPicture | None = None
    """What was packed, of video; for those who write files."""
