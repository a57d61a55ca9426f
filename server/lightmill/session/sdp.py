"""SDP text: mDNS candidates are put aside, and candidate fragments are read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from lightmill.errors import FieldError, InvalidDescription

OPUS_MAPPING = re.compile(r"^a=rtpmap:(\d+) opus/48000/2$", re.IGNORECASE)
FORMAT = re.compile(r"^a=fmtp:(\d+) (.+)$")
OPUS_ECHOED = frozenset({"minptime", "stereo", "sprop-stereo", "useinbandfec"})
"""Parameters of Opus (RFC 7587 section 6.1) that the answer repeats; the rest is the offerer's own."""
MDNS_CANDIDATE = re.compile(r"^a=candidate:\S+ \d+ \S+ \d+ \S+\.local ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A remote candidate and the media section that it belongs to."""

    line: str
    mid: str | None
    index: int | None

    def to_aiortc(self) -> RTCIceCandidate:
        """Parse the line.

        Raises:
            InvalidDescription: it is no candidate attribute (RFC 8839 section 5.1).

        """
        try:
            candidate = candidate_from_sdp(self.line.removeprefix("a=candidate:"))
        except (ValueError, IndexError, AssertionError) as error:
            message = f"{self.line[:80]!r} is no ICE candidate; send lines as RFC 8839 writes them"
            raise InvalidDescription(message, (FieldError("candidate", message),)) from error
        candidate.sdpMid = self.mid
        candidate.sdpMLineIndex = self.index
        return candidate


@dataclass(frozen=True, slots=True)
class Fragment:
    """A ``trickle-ice-sdpfrag`` (RFC 8840): candidates, and whether more may come."""

    ufrag: str | None
    candidates: tuple[Candidate, ...]
    complete: bool


def defer_mdns(sdp: str) -> tuple[str, Fragment]:
    """Take ``.local`` candidates out of an offer, so that no name lookup delays the answer."""
    lines = sdp.splitlines()
    deferred = tuple(c for c in _candidates(lines) if MDNS_CANDIDATE.match(c.line))
    if not deferred:
        return sdp, Fragment(None, (), complete=False)
    complete = any(line.strip() == "a=end-of-candidates" for line in lines)
    kept = [
        line
        for line in lines
        if not MDNS_CANDIDATE.match(line) and line.strip() != "a=end-of-candidates"
    ]
    return "\r\n".join(kept) + "\r\n", Fragment(None, deferred, complete)


def parse_fragment(text: str) -> Fragment:
    """Read a candidate fragment; the ufrag is that of its first section."""
    lines = text.splitlines()
    ufrags = [
        line.removeprefix("a=ice-ufrag:").strip()
        for line in lines
        if line.startswith("a=ice-ufrag:")
    ]
    complete = any(line.strip() == "a=end-of-candidates" for line in lines)
    return Fragment(ufrags[0] if ufrags else None, tuple(_candidates(lines)), complete)


def _candidates(lines: list[str]) -> list[Candidate]:
    found: list[Candidate] = []
    index = -1
    mids: dict[int, str] = {}
    for line in lines:
        if line.startswith("m="):
            index += 1
        elif line.startswith("a=mid:"):
            mids[index] = line.removeprefix("a=mid:").strip()
        elif line.startswith("a=candidate:"):
            found.append(Candidate(line.strip(), None, max(index, 0)))
    return [Candidate(c.line, mids.get(c.index or 0), c.index) for c in found]


def opus_parameters(sdp: str) -> dict[int, dict[str, str]]:
    """What the answer shall say of Opus, by the payload types that the offer gives it."""
    found: dict[int, dict[str, str]] = {}
    lines = [line.strip() for line in sdp.splitlines()]
    for line in lines:
        match = OPUS_MAPPING.match(line)
        if match:
            found[int(match[1])] = {}
    for line in lines:
        match = FORMAT.match(line)
        if match and int(match[1]) in found:
            pairs = (entry.strip().partition("=") for entry in match[2].split(";"))
            found[int(match[1])] = {key: value for key, _, value in pairs if key in OPUS_ECHOED}
    return found
