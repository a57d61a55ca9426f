from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lightmill.media.presets import PRESETS, IdleCpu, PresetLadder

FRAME_S = 1 / 30


def run(ladder, seconds, *, encode_s=0.004, idle=0.9, start=0.0):
    """Feed so many seconds of equal frames; gives the presets that were answered."""
    return [
        ladder.observe(encode_s, FRAME_S, idle, start + index * FRAME_S)
        for index in range(round(seconds / FRAME_S))
    ]


def changes(presets):
    return [(a, b) for a, b in pairwise(presets) if a != b]


def test_an_idle_machine_climbs_slowly_to_the_top():
    presets = run(PresetLadder(), 60)
    assert presets[0] == "ultrafast" and presets[-1] == "veryfast"
    assert presets[round(9 / FRAME_S)] == "ultrafast"
    assert len(changes(presets)) == 2


def test_it_stays_cheap_while_the_cpu_is_wanted_or_unknown():
    assert set(run(PresetLadder(), 60, idle=0.5)) == {"ultrafast"}
    assert set(run(PresetLadder(), 60, idle=None)) == {"ultrafast"}
    assert set(run(PresetLadder(), 60, encode_s=0.012)) == {"ultrafast"}


def test_frames_that_are_late_step_down_at_once():
    ladder = PresetLadder()
    run(ladder, 60)
    assert run(ladder, 3 * FRAME_S, encode_s=0.04, start=60)[-1] == "superfast"
    assert run(ladder, 3 * FRAME_S, encode_s=0.04, start=61)[-1] == "ultrafast"


def test_a_single_late_frame_changes_nothing():
    ladder = PresetLadder()
    run(ladder, 60)
    assert ladder.observe(0.2, FRAME_S, 0.9, 60.0) == "veryfast"


def test_each_step_down_makes_the_next_step_up_rarer():
    ladder, presets, idle = PresetLadder(), [], 0.9
    for index in range(round(1200 / FRAME_S)):
        # A machine on which the costlier preset does not leave enough idle.
        idle = 0.9 if ladder.preset == "ultrafast" else 0.1
        presets.append(ladder.observe(0.004, FRAME_S, idle, index * FRAME_S))
    assert 4 <= len(changes(presets)) <= 14


@given(st.lists(st.tuples(st.floats(0, 0.1), st.one_of(st.none(), st.floats(0, 1))), max_size=300))
def test_it_never_climbs_on_a_late_frame_and_moves_one_step_at_a_time(frames):
    ladder, step = PresetLadder(), 0
    for index, (encode_s, idle) in enumerate(frames):
        now = PRESETS.index(ladder.observe(encode_s, FRAME_S, idle, float(index)))
        assert abs(now - step) <= 1
        if encode_s > FRAME_S:
            assert now <= step
        step = now


def test_the_idle_share_is_read_from_the_machine(tmp_path: Path):
    stat, now = tmp_path / "stat", [0.0]
    cpu = IdleCpu(stat, clock=lambda: now[0])
    assert cpu.share() is None
    stat.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
    assert cpu.share() is None
    stat.write_text("cpu  150 0 120 720 110 0 0 0 0 0\n")
    now[0] = 0.1
    assert cpu.share() is None  # too early
    now[0] = 1000.0
    assert cpu.share() == 0.3
    stat.write_text("cpu  150 0 120 820 110 0 0 0 0 0\n")
    now[0] = 2000.0
    assert 0.9 < cpu.share() <= 1.0


def test_a_process_that_uses_all_its_cpus_has_none_left(tmp_path: Path):
    stat, now = tmp_path / "stat", [0.0]
    cpu = IdleCpu(stat, clock=lambda: now[0])
    stat.write_text("cpu  0 0 0 1000 0 0 0 0\n")
    cpu.share()
    sum(range(300_000))
    stat.write_text("cpu  0 0 0 2000 0 0 0 0\n")
    now[0] = 0.5  # far less time, says this clock, than the process has just used
    used = cpu.share()
    assert used is not None and used < 1.0
