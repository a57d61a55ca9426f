import numpy as np
import pytest

from lightmill.pipelines.effects import slit_scan
from lightmill.pipelines.effects.slit_scan import delays, scanned
from tests.unit.pipelines.effects.seeing import Show, flat


def grays(count):
    return [flat((40 + 2 * step,) * 3, 96, 128) for step in range(count)]


@pytest.mark.parametrize(
    ("direction", "newest", "oldest"),
    [
        ("down", (0, 64), (95, 64)),
        ("up", (95, 64), (0, 64)),
        ("right", (48, 0), (48, 127)),
        ("left", (48, 127), (48, 0)),
        ("outwards", (48, 64), (0, 64)),
        ("inwards", (0, 64), (48, 64)),
    ],
)
def test_time_runs_over_the_picture(direction, newest, oldest):
    made = Show("slit-scan", depth=30, time_direction=direction)(*grays(60))[-1]
    assert abs(int(made[*newest, 1]) - (40 + 2 * 59)) <= 4
    assert abs(int(made[*oldest, 1]) - (40 + 2 * 30)) <= 4
    steps = np.diff(
        made[:, 64, 1].astype(int) if direction in ("down", "up") else made[48, :, 1].astype(int)
    )
    assert np.abs(steps).max() <= 3  # lines between two frames are blended


def test_until_there_is_a_past_the_oldest_frame_stands_for_it():
    first, second = Show("slit-scan", depth=30)(*grays(2))
    assert np.ptp(first[..., 1]) <= 1
    assert np.ptp(second[..., 1]) <= 3


def test_memory_is_bounded_by_the_setting_and_by_bytes(monkeypatch):
    effect = Show("slit-scan", depth=10)
    effect(*grays(25))
    assert len(effect.pipeline._frames) == 10
    effect(grays(1)[0], depth=4)
    assert len(effect.pipeline._frames) == 4
    monkeypatch.setattr(slit_scan, "MAX_HISTORY_BYTES", 5 * 96 * 128 * 3 // 2)
    effect(*grays(25), depth=240)
    assert len(effect.pipeline._frames) == 5


def test_closing_frees_the_frames():
    effect = Show("slit-scan")
    effect(*grays(5))
    effect.pipeline.close()
    assert not effect.pipeline._frames


def test_a_line_is_blended_out_of_the_two_nearest_moments():
    history = [np.full((3, 2), level, np.uint8) for level in (0, 100, 200)]
    made = scanned(history, np.array([0, 0.5, 1.75], np.float32))
    assert made[:, 0].tolist() == [200, 150, 25]


def test_delays_stay_within_the_depth():
    for direction in ("down", "up", "left", "right", "outwards", "inwards"):
        late = delays(97, 12, direction)
        assert late.min() >= 0 and late.max() <= 12
