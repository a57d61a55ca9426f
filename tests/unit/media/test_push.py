from __future__ import annotations

import io

from lightmill.media.frames import EncodedPicture, OutgoingFrame
from lightmill.media.push import pack, unpack


def test_frames_come_out_as_they_went_in_and_a_torn_one_ends_it():
    picture = EncodedPicture(b"annex b", 640, 480, whole=True, still=False)
    frames = [
        OutgoingFrame([], 90_000, 1.5, True, picture=picture),
        OutgoingFrame([], 93_000, 1.6, False, picture=picture),
        OutgoingFrame([b"opus"], 4_294_967_295, 1.7),
    ]
    wire = b"".join(map(pack, frames))
    assert list(unpack(io.BytesIO(wire))) == frames
    assert list(unpack(io.BytesIO(wire[:-1]))) == frames[:2]
    assert list(unpack(io.BytesIO(b""))) == []
