from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill import errors
from lightmill.session.workers import wire
from lightmill.session.workers.wire import (
    HEADER,
    Frame,
    RemoteFault,
    WireError,
    encode_frame,
    error_from_wire,
    error_to_wire,
    read_frame,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def frames_of(data: bytes, *, end: bool = True) -> list[Frame]:
    """What `read_frame` reads from ``data`` before the other end closes."""

    async def read() -> list[Frame]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        if end:
            reader.feed_eof()
        found: list[Frame] = []
        while (frame := await read_frame(reader)) is not None:
            found.append(frame)
        return found

    return asyncio.run(read())


@given(st.lists(st.tuples(st.dictionaries(st.text(), VALUES), st.binary()), max_size=4), st.data())
def test_frames_come_out_as_they_went_in_and_a_cut_one_counts_as_the_end(messages, data):
    frames = [Frame(message, blob) for message, blob in messages]
    encoded = [encode_frame(frame) for frame in frames]
    assert frames_of(b"".join(encoded)) == frames
    if encoded:
        cut = data.draw(st.integers(0, len(encoded[-1]) - 1))
        assert frames_of(b"".join(encoded[:-1]) + encoded[-1][:cut]) == frames[:-1]


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(wire.MAX_FRAME_BYTES, 1),
        HEADER.pack(1, 0) + b"{",
        HEADER.pack(2, 0) + b"[]",
        HEADER.pack(2, 0) + b"\xff\xff",
    ],
)
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(WireError):
        frames_of(data)


def test_what_cannot_be_sent_is_refused_before_it_is(monkeypatch):
    with pytest.raises(WireError, match="not JSON"):
        encode_frame(Frame({"x": object()}))
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 10)
    with pytest.raises(WireError, match="longer"):
        encode_frame(Frame({"text": "longer than that"}))


def all_errors(root: type[errors.LightmillError]) -> list[type[errors.LightmillError]]:
    below = (kind for sub in root.__subclasses__() for kind in all_errors(sub))
    return list(dict.fromkeys((root, *below)))  # one with two parents counts once


@pytest.mark.parametrize("kind", all_errors(errors.LightmillError))
def test_every_error_arrives_as_itself(kind):
    if issubclass(kind, errors.InvalidInput):
        error = kind("what", (errors.FieldError("gain", "too loud"),))
    elif issubclass(kind, errors.Unavailable):
        error = kind("what", 17)
    else:
        error = kind("what")
    twin = error_from_wire(error_to_wire(error))
    assert type(twin) is kind and str(twin) == "what" and vars(twin) == vars(error)


def test_codes_are_unique_and_other_failures_are_no_lightmill_errors():
    codes = [kind.code for kind in all_errors(errors.LightmillError)]
    assert len(set(codes)) == len(codes)
    fault = error_from_wire({"code": wire.INTERNAL, "message": "see the log"})
    assert isinstance(fault, RemoteFault) and str(fault) == "see the log"
