from __future__ import annotations

import errno
import os
import threading
from itertools import pairwise

import av
import numpy as np
import pytest

from lightmill.errors import LimitReached, MediaError
from lightmill.media.encode import VideoEncoder
from lightmill.media.frames import EncodedPicture, OutgoingFrame
from lightmill.media.recorder import QUEUE_PACKETS, Recorder
from lightmill.media.sound_grid import SILENCE


def pictures(n_frames, size=(64, 48), at=10.0, keyframe_each=10):
    encoder = VideoEncoder("H264", 500_000, h264_encoder="libx264", h264_preset="ultrafast")
    for number in range(n_frames):
        shade = np.full((size[1], size[0], 3), number * 3 % 256, np.uint8)
        (packet,) = encoder.encode(
            av.VideoFrame.from_ndarray(shade, format="rgb24"),
            keyframe=number % keyframe_each == 0,
            pts_90k=number * 3000,
        )
        picture = EncodedPicture(packet.data, *size, whole=True, still=False)
        yield OutgoingFrame([], packet.pts_90k, at + number / 30, packet.keyframe, picture=picture)


class Bench:
    """A recorder in a folder; ``end`` waits for its thread and gives the cause."""

    def __init__(self, folder, check=lambda progress: None, sound="opus"):
        self._ended = threading.Event()
        self.cause = None
        self.recorder = Recorder(
            lambda part: folder / f"part-{part}.mp4", sound, check, self._on_end
        )

    def _on_end(self, cause):
        self.cause = cause
        self._ended.set()

    def end(self):
        self.recorder.finish()
        assert self._ended.wait(30)
        return self.cause


def times(path):
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_every_picture_is_there_at_its_time(tmp_path):
    bench = Bench(tmp_path)
    for frame in pictures(30):
        assert bench.recorder.picture(frame)
    assert bench.end() is None
    seen = times(tmp_path / "part-1.mp4")
    assert seen == pytest.approx([number / 30 for number in range(30)], abs=0.001)
    assert bench.recorder.progress.duration_s == pytest.approx(29 / 30, abs=0.001)


def test_cards_before_the_first_picture_are_left_out_and_it_waits_for_a_keyframe(tmp_path):
    bench = Bench(tmp_path)
    made = list(pictures(20))
    card = EncodedPicture(made[0].picture.data, 64, 48, whole=True, still=True)
    assert bench.recorder.picture(OutgoingFrame([], 0, 9.0, picture=card))
    assert not bench.recorder.picture(made[5])
    for frame in made[10:]:
        assert bench.recorder.picture(frame)
    assert bench.end() is None
    assert len(times(tmp_path / "part-1.mp4")) == 10


def test_nothing_recorded_leaves_no_file(tmp_path):
    assert Bench(tmp_path).end() is None
    assert list(tmp_path.iterdir()) == []


def test_another_size_begins_another_part_and_times_begin_anew(tmp_path):
    bench = Bench(tmp_path)
    for frame in [*pictures(10), *pictures(10, (128, 96), at=20.0)]:
        bench.recorder.picture(frame)
    assert bench.end() is None
    assert bench.recorder.progress.n_parts == 2
    assert times(tmp_path / "part-1.mp4")[0] == times(tmp_path / "part-2.mp4")[0] == 0
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert bench.recorder.progress.size_bytes == total


def test_a_full_queue_is_counted_and_refused(tmp_path):
    stuck = threading.Event()
    bench = Bench(tmp_path, lambda progress: None)
    frames = list(pictures(2))
    bench.recorder._paths = lambda part: stuck.wait(30) and tmp_path / "part-1.mp4"
    taken = [bench.recorder.picture(frames[0])]
    taken += [bench.recorder.picture(frames[1]) for _ in range(QUEUE_PACKETS + 10)]
    assert taken[:QUEUE_PACKETS] == [True] * QUEUE_PACKETS and not taken[-1]
    assert bench.recorder.dropped >= 5
    stuck.set()
    assert bench.end() is None
    assert all(a < b for a, b in pairwise(times(tmp_path / "part-1.mp4")))


def test_a_limit_ends_the_file_cleanly(tmp_path, monkeypatch):
    monkeypatch.setattr("lightmill.media.recorder.CHECK_INTERVAL_S", 0.0)

    def check(progress):
        if progress.duration_s >= 0.5:
            raise LimitReached("enough")

    bench = Bench(tmp_path, check)
    for frame in pictures(60):
        bench.recorder.picture(frame)
    cause = bench.end()
    assert isinstance(cause, LimitReached)
    assert times(tmp_path / "part-1.mp4")[-1] == pytest.approx(0.5, abs=0.05)


def make_small(monkeypatch, room):
    """Like a disk: what fits is written, then there is no space left."""
    write = os.write

    def on_a_small_disk(fd, chunk):
        left = room - os.fstat(fd).st_size
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, chunk[:left])

    monkeypatch.setattr("lightmill.media.disk_file.os.write", on_a_small_disk)


@pytest.mark.parametrize("room", [0, 500, 1_300])
def test_a_disk_without_room_for_a_fragment_keeps_no_file(tmp_path, monkeypatch, room):
    make_small(monkeypatch, room)
    bench = Bench(tmp_path)
    for frame in pictures(40):
        bench.recorder.picture(frame)
    assert "disk is full" in str(bench.end())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_plays(tmp_path, monkeypatch):
    room = 4_000
    make_small(monkeypatch, room)
    bench = Bench(tmp_path)
    for frame in pictures(120):
        bench.recorder.picture(frame)
    cause = bench.end()
    assert isinstance(cause, MediaError) and "disk is full" in str(cause)
    assert 1_000 < (tmp_path / "part-1.mp4").stat().st_size < room
    seen = times(tmp_path / "part-1.mp4")
    assert len(seen) >= 10 and len(seen) % 10 == 0, "whole fragments, and nothing torn"


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "part-1.mp4").write_bytes(b"mine")
    bench = Bench(tmp_path)
    for frame in pictures(3):
        bench.recorder.picture(frame)
    assert "File exists" in str(bench.end())
    assert (tmp_path / "part-1.mp4").read_bytes() == b"mine"


def test_sound_that_is_none_ends_no_recording(tmp_path):
    """A publisher's packets are passed on as they are; AAC is made of what can be decoded."""
    bench = Bench(tmp_path, sound="aac")
    for number, frame in enumerate(pictures(30)):
        assert bench.recorder.picture(frame)
        payload = b"\xfd\x00" if number % 5 == 0 else SILENCE
        bench.recorder.sound(OutgoingFrame([payload], number * 960, 10 + number / 50))
    assert bench.end() is None
    assert len(times(tmp_path / "part-1.mp4")) == 30
    with av.open(str(tmp_path / "part-1.mp4")) as container:
        n_samples = sum(frame.samples for frame in container.decode(audio=0))
    assert n_samples > 0.4 * 48_000
