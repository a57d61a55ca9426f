"""What a run is asked to do, checked before anything is opened."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from lightmill.errors import BenchError

DEFAULT_BITS_PER_PIXEL = 0.0904
"""2.5 Mbit/s for 1280x720 at 30 fps."""
MAX_SIDE = 4096
MAX_CLIP_FRAMES = 1 << 16
"""So many numbers fit into a picture's strip."""


class Kind(StrEnum):
    """How peers reach the server."""

    OFFER = "offer"
    """One peer connection both ways; JSON to ``/offer``."""
    WHIP_WHEP = "whip+whep"
    """A WHIP publisher and WHEP viewers for each session."""
    WHEP = "whep"
    """Viewers alone, of a stream that is there: no latency, since nobody knows when it was sent."""
    LOOPBACK = "loopback"
    """No server: publisher and viewer talk to each other; the client's own floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """One run. ``url`` may hold ``{session}``; see `session_urls`."""

    url: str
    kind: Kind
    sessions: int = 1
    viewers: int = 1
    """WHEP viewers of each session."""
    probes: int = 1
    """Sessions whose first viewer decodes and reads the numbers."""
    seconds: float = 10
    warm_up_s: float = 3
    width: int = 1280
    height: int = 720
    fps: float = 30
    bitrate_bps: int = 0
    """0: by the size, 2.5 Mbit/s for 1280x720 at 30."""
    room_bps: int = 0
    """What viewers report as their room (REMB); 0: what they really estimate.

    Peers that share one busy process see delays that no network made, and estimate too little; a
    fixed room lets servers be compared at the same output rate.
    """
    codec: str = "H264"
    clip_s: float = 6
    keyframe_s: float = 2
    pipeline: str | None = None
    token: str | None = None
    server_pid: int | None = None
    connect_timeout_s: float = 15

    def __post_init__(self) -> None:
        for name in ("sessions", "viewers", "seconds", "fps", "clip_s", "keyframe_s"):
            _demand(getattr(self, name) > 0, f"{name} must be more than 0")
        for name in ("probes", "room_bps", "bitrate_bps", "warm_up_s"):
            _demand(getattr(self, name) >= 0, f"{name} must not be negative")
        _demand(self.codec in ("H264", "VP8"), f"codec {self.codec} is not h264 or vp8")
        sides = (self.width, self.height)
        _demand(all(64 <= side <= MAX_SIDE for side in sides), f"size must be 64 to {MAX_SIDE}")
        _demand(not any(side % 2 for side in sides), "width and height must be even")
        _demand(self.clip_s * self.fps <= MAX_CLIP_FRAMES, "the clip has too many frames")

    @property
    def rate_bps(self) -> int:
        by_size = self.width * self.height * self.fps * DEFAULT_BITS_PER_PIXEL
        return self.bitrate_bps or round(by_size)

    @property
    def viewers_of_a_session(self) -> int:
        return self.viewers if self.kind in (Kind.WHIP_WHEP, Kind.WHEP) else 1


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of ``1280x720``. Raises `BenchError`."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None:
        raise BenchError(f"{text!r} is no size; write it as 1280x720")
    return int(match[1]), int(match[2])


def guess_kind(url: str) -> Kind:
    """By the words in the path; ``/offer`` when there are none."""
    path = urlsplit(url).path
    if "whip" in path:
        return Kind.WHIP_WHEP
    return Kind.WHEP if "whep" in path else Kind.OFFER


def complete_url(url: str, kind: Kind) -> str:
    """``url`` with a scheme, and with Lightmill's path where it has none. Raises `BenchError`."""
    if "://" not in url:
        url = f"http://{url}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BenchError(f"{url} is no http or https URL")
    if parts.path in ("", "/"):
        path = {Kind.OFFER: "/offer", Kind.WHEP: "/whep/{session}"}.get(kind, "/whip/{session}")
        url = parts._replace(path=path).geturl()
    return url


def session_urls(url: str, index: int) -> tuple[str, str]:
    """The WHIP and the WHEP URL of session ``index``.

    ``{session}`` becomes its name; a WHIP URL without it gets a number behind its path when there
    are several. The WHEP URL is the same with ``whip`` in the path replaced.
    """
    name = f"bench-{os.getpid()}-{index}"
    if "{session}" in url:
        url = url.replace("{session}", name)
    elif index:
        url = f"{url}-{index}"
    parts = urlsplit(url)
    return url, parts._replace(path=parts.path.replace("whip", "whep")).geturl()


def _demand(condition: bool, message: str) -> None:
    if not condition:
        raise BenchError(message)
