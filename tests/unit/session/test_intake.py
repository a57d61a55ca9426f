from __future__ import annotations

import av

from lightmill.media.frames import MediaFrame
from lightmill.session.intake import STALLED_AFTER_S, Intake


def frame(at, size=(64, 48)):
    return MediaFrame(av.VideoFrame(*size, "yuv420p"), at)


def test_before_the_first_picture_nothing_is_known():
    intake = Intake()
    assert intake.newest is None and not intake.is_fresh(0.0)
    assert intake.describe(0.0, 0) == {
        "width": None,
        "height": None,
        "fps": None,
        "frames": 0,
        "dropped": 0,
    }


def test_a_picture_begins_after_silence_and_after_a_publisher_has_left():
    intake = Intake()
    assert intake.take(frame(10.0)) and not intake.take(frame(10.1))
    assert intake.is_fresh(10.2) and not intake.is_fresh(10.1 + STALLED_AFTER_S)
    assert intake.take(frame(10.2 + STALLED_AFTER_S))
    intake.publisher_left()
    assert not intake.is_fresh(12.3)
    assert intake.take(frame(12.4))


def test_it_tells_of_the_newest_picture():
    intake = Intake()
    for number in range(10):
        intake.take(frame(number / 10))
    intake.take(frame(1.0, size=(32, 24)))
    told = intake.describe(1.0, 3)
    assert (told["width"], told["height"]) == (32, 24)
    assert (told["frames"], told["dropped"]) == (11, 3) and told["fps"] > 5
