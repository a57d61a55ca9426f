"""Sends one programme to one receiver, in a process of its own: ``python -m lightmill.media.push``.

FFmpeg holds Python's lock while it connects and cannot be told to give up; a receiver that accepts and
says nothing would stop the whole server for minutes. A process can be ended at any time. It takes an
`Order` as a line of JSON on its standard input and packets after it, and tells its state in lines of JSON.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import BinaryIO, cast

from av.error import ProtocolNotFoundError

from lightmill.errors import MediaError
from lightmill.media.frames import EncodedPicture, OutgoingFrame
from lightmill.media.muxer import Format, Muxer, SoundCodec
from lightmill.media.programme import Programme

HEADER = struct.Struct(">BdIHHI")
"""Kind and flags, the second it stands for, RTP timestamp, width, height, length."""
PICTURE, KEYFRAME = 1, 2


@dataclass(frozen=True, slots=True)
class Order:
    """Where to send, and how long a receiver may be silent."""

    target: str
    format: Format
    sound: SoundCodec
    timeout_s: float

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def pack(frame: OutgoingFrame) -> bytes:
    """A picture, or a packet of Opus, as the process reads it."""
    picture = frame.picture
    if picture is None:
        data = frame.payloads[0]
        return HEADER.pack(0, frame.at, frame.timestamp, 0, 0, len(data)) + data
    kind = PICTURE | (KEYFRAME if frame.keyframe else 0)
    size = (picture.width, picture.height)
    return HEADER.pack(kind, frame.at, frame.timestamp, *size, len(picture.data)) + picture.data


def unpack(stream: BinaryIO) -> Iterator[OutgoingFrame]:
    """What `pack` made, until the stream ends."""
    while len(header := stream.read(HEADER.size)) == HEADER.size:
        kind, at, timestamp, width, height, length = HEADER.unpack(header)
        data = stream.read(length)
        if len(data) < length:
            return
        if kind & PICTURE:
            picture = EncodedPicture(data, width, height, whole=True, still=False)
            yield OutgoingFrame([], timestamp, at, bool(kind & KEYFRAME), picture=picture)
        else:
            yield OutgoingFrame([data], timestamp, at)


@contextmanager
def _at_most(seconds: float) -> Generator[None]:
    """End the process when this takes longer: the alarm's default action needs no lock."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _say(**state: str | int) -> None:
    sys.stdout.write(json.dumps(state) + "\n")
    sys.stdout.flush()


def push(order: Order, frames: Iterator[OutgoingFrame]) -> None:
    """Send until ``frames`` end.

    Raises:
        OSError, MediaError: the receiver cannot be reached, or refuses what it gets.

    """
    programme: Programme | None = None
    n_bytes, told_bytes = 0, 0
    for frame in frames:
        if programme is None:
            if frame.picture is None or not frame.keyframe:
                continue
            with _at_most(order.timeout_s):
                programme = Programme(
                    frame, partial(Muxer, order.target, order.format, order.sound)
                )
            _say(state="live")
        with _at_most(order.timeout_s):
            if frame.picture is None:
                programme.sound(frame)
            else:
                programme.picture(frame)
                n_bytes += len(frame.picture.data)
        if frame.keyframe and frame.picture is not None and n_bytes > told_bytes:
            told_bytes = n_bytes
            _say(sent_bytes=n_bytes)
    if programme is not None:
        with _at_most(order.timeout_s):
            programme.close()


def main() -> int:
    """Take the order, send, and say what went wrong."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    try:
        push(order, unpack(cast("BinaryIO", sys.stdin.buffer)))
    except (OSError, MediaError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _say(error=text, final=isinstance(error.__cause__, ProtocolNotFoundError))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
