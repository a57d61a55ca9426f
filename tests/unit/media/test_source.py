"""The reading thread, without a session: pace, order, sound, end."""

from __future__ import annotations

import subprocess
import threading
from itertools import pairwise
from time import monotonic

import av
import imageio_ffmpeg
import pytest

from lightmill.media.inputs import InputLimits, SourceKind
from lightmill.media.source import (
    OVER,
    Planar,
    SourceLimits,
    SourceReader,
    SourceSpec,
    SourceState,
    retry_after_s,
)
from tests.integration.clips import write_clip
from tests.integration.peers import read_number

LIMITS = SourceLimits(InputLimits(10, 10, 1920 * 1080), 30, 64_000)
N_FRAMES, FPS = 30, 30


class Sink:
    """Keeps what comes, and lets the test wait for it."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.times: list[float] = []
        self.packets: list[tuple[bytes, float, float]] = []
        self.states: list[SourceState] = []
        self._news = threading.Condition()

    def picture(self, frame: av.VideoFrame) -> None:
        with self._news:
            self.numbers.append(read_number(frame))
            self.times.append(monotonic())
            self._news.notify_all()

    def sound(self, payload: bytes, media_s: float, due: float) -> None:
        self.packets.append((payload, media_s, due))

    def state_changed(self, state: SourceState, why: str | None) -> None:
        with self._news:
            self.states.append(state)
            self._news.notify_all()

    def until(self, condition) -> None:
        with self._news:
            assert self._news.wait_for(lambda: condition(self), 60)


def read(path, *, loop: bool = False) -> tuple[SourceReader, Sink]:
    sink = Sink()
    spec = SourceSpec(str(path), path.name, SourceKind.FILE, loop)
    reader = SourceReader(spec, LIMITS, sink)
    reader.start()
    return reader, sink


def is_over(sink: Sink) -> bool:
    return bool(sink.states) and sink.states[-1] in OVER


def test_every_picture_once_in_order_and_never_faster_than_life(tmp_path):
    reader, sink = read(write_clip(tmp_path / "clip.mp4", N_FRAMES, FPS))
    sink.until(is_over)
    assert sink.numbers == list(range(N_FRAMES))
    assert sink.states == [SourceState.CONNECTING, SourceState.CONNECTED, SourceState.ENDED]
    # A busy machine shows them later, never earlier; the first may be late itself.
    assert sink.times[-1] - sink.times[0] > (N_FRAMES - 1) / FPS - 0.5
    assert reader.join(10)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_a_loop_has_no_gap_and_no_picture_twice(tmp_path, name):
    reader, sink = read(write_clip(tmp_path / name, N_FRAMES, FPS), loop=True)
    sink.until(lambda sink: len(sink.numbers) > 2 * N_FRAMES + 5)
    reader.stop()
    assert reader.join(10)
    expected = [number % N_FRAMES for number in range(len(sink.numbers))]
    assert sink.numbers == expected
    assert sink.states == [SourceState.CONNECTING, SourceState.CONNECTED]


@pytest.mark.parametrize(("codec", "name"), [("libopus", "clip.mkv"), ("aac", "clip.mp4")])
def test_sound_is_one_even_line_over_the_loop(tmp_path, codec, name):
    reader, sink = read(write_clip(tmp_path / name, N_FRAMES, FPS, sound=codec), loop=True)
    sink.until(lambda sink: len(sink.numbers) > 2 * N_FRAMES + 10)
    reader.stop()
    assert reader.join(10)
    decoder = av.CodecContext.create("libopus", "r")
    decoded = [decoder.decode(av.Packet(payload)) for payload, _, _ in sink.packets]
    assert sum(len(frames) for frames in decoded) >= len(sink.packets) - 2
    places = [media_s for _, media_s, _ in sink.packets]
    steps = [later - earlier for earlier, later in pairwise(places)]
    assert len(places) > 2 * N_FRAMES / FPS * 50 * 0.8
    off = [step for step in steps if not 0.015 < step < 0.025]
    assert len(off) <= 3, off  # where the clip begins again


def test_a_missing_file_and_a_broken_one_fail_with_a_reason(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 1000)
    for path in (tmp_path / "missing.mp4", broken):
        reader, sink = read(path, loop=True)
        sink.until(is_over)
        assert sink.states[-1] is SourceState.FAILED and reader.join(10)


def test_a_truncated_file_shows_what_it_has(tmp_path):
    whole = write_clip(tmp_path / "clip.ts", N_FRAMES, FPS).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: len(whole) // 2])
    reader, sink = read(cut)
    sink.until(is_over)
    assert sink.states[-1] is SourceState.ENDED and 5 < len(sink.numbers) < N_FRAMES
    assert reader.join(10)


def test_stop_ends_it_while_it_waits_for_the_next_picture(tmp_path):
    reader, sink = read(write_clip(tmp_path / "slow.mp4", 3, 1))
    sink.until(lambda sink: sink.numbers)
    reader.stop()
    assert reader.join(10) and len(sink.numbers) < 3


@pytest.mark.parametrize(
    ("size", "pixels", "same"),
    [((32, 16), "yuv420p", True), ((33, 17), "yuv420p", False), ((32, 16), "rgb24", False)],
)
def test_pictures_become_planar_and_even(size, pixels, same):
    frame = av.VideoFrame(*size, pixels)
    planar = Planar().convert(frame)
    assert (planar is frame) is same
    assert (planar.format.name, planar.width, planar.height) == ("yuv420p", 32, 16)


@pytest.mark.e2e
@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_clip_from_a_phone_stands_upright(tmp_path, angle):
    write_clip(tmp_path / "clip.mp4", 3)
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y"]
    phone, upright = tmp_path / "phone.mp4", tmp_path / "upright.y4m"
    turn = ["-display_rotation", str(angle), "-i", str(tmp_path / "clip.mp4"), "-c", "copy"]
    subprocess.run([*ffmpeg, *turn, str(phone)], check=True)
    subprocess.run([*ffmpeg, "-i", str(phone), str(upright)], check=True)  # ffmpeg turns it
    with av.open(str(phone)) as ours, av.open(str(upright)) as theirs:
        picture = Planar().convert(next(ours.decode(video=0)))
        expected = next(theirs.decode(video=0))
    assert (picture.to_ndarray() == expected.to_ndarray()).all()


def test_attempts_become_rarer_up_to_a_limit():
    assert [retry_after_s(n, 4) for n in (1, 2, 3, 4, 5, 500)] == [0.5, 1, 2, 4, 4, 4]
