"""A look at an offer's text before anything is opened for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightmill.errors import FieldError, InvalidDescription
from lightmill.session.host import PeerRole

DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
SENDS = frozenset({"sendrecv", "sendonly"})
RECEIVES = frozenset({"sendrecv", "recvonly"})
MAX_SECTIONS = 16
CODECS = frozenset({"H264", "VP8"})


@dataclass(slots=True)
class _Section:
    kind: str
    direction: str
    codecs: set[str] = field(default_factory=set[str])


def check_offer(sdp: str, role: PeerRole) -> None:
    """Refuse what cannot become a connection of this role.

    Raises:
        InvalidDescription: the message and its field say what is missing and what to send.

    """
    lines = [line.strip() for line in sdp.splitlines()]
    if not lines or lines[0] != "v=0":
        _refuse("the body is not SDP: it must start with v=0 (RFC 8866)")
    sections = _sections(lines)
    if not sections:
        _refuse("the offer has no media section; offer video")
    if len(sections) > MAX_SECTIONS:
        _refuse(f"the offer has more than {MAX_SECTIONS} media sections; offer one of each kind")
    for attribute in ("ice-ufrag", "ice-pwd", "fingerprint"):
        if not any(line.startswith(f"a={attribute}:") for line in lines):
            _refuse(f"the offer has no a={attribute}; offer ICE and DTLS-SRTP")
    videos = [section for section in sections if section.kind == "video"]
    if not videos:
        _refuse("the offer has no video section; offer H.264 or VP8 video")
    wanted = SENDS if role is PeerRole.PUBLISHER else RECEIVES
    if role is not PeerRole.DUPLEX and not any(video.direction in wanted for video in videos):
        verb = "send" if role is PeerRole.PUBLISHER else "receive"
        _refuse(f"the offer does not {verb} video; set a={verb}only or a=sendrecv")
    if not any(video.codecs & CODECS for video in videos):
        offered = ", ".join(sorted(set[str]().union(*(video.codecs for video in videos)))) or "none"
        _refuse(f"no video codec in common (offered: {offered}); enable H.264 or VP8")


def _sections(lines: list[str]) -> list[_Section]:
    sections: list[_Section] = []
    direction = "sendrecv"
    for line in lines:
        if line.startswith("m="):
            sections.append(_Section(line[2:].split(" ", 1)[0], direction))
        elif line.startswith("a=") and line[2:] in DIRECTIONS:
            if sections:
                sections[-1].direction = line[2:]
            else:
                direction = line[2:]
        elif line.startswith("a=rtpmap:") and sections and " " in line:
            sections[-1].codecs.add(line.split(" ", 1)[1].split("/", 1)[0].upper())
    return sections


def _refuse(message: str) -> None:
    raise InvalidDescription(message, (FieldError("sdp", message),))
