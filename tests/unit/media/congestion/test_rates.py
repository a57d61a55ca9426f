from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.config import MediaConfig
from lightmill.media.congestion.rates import ViewerRate

CONFIG = MediaConfig()
START, LOW, HIGH = 1_500_000, 250_000, 8_000_000


class Play:
    """A viewer that is sent its target, or ``need_bps`` if that is less."""

    def __init__(self, rate: ViewerRate | None = None, need_bps: float = 1e9) -> None:
        self.rate = rate or ViewerRate(CONFIG, 0.0)
        self.now, self.need_bps = 0.0, need_bps
        self._sequence = 0
        self._due_bits = 0.0

    def send(self, seconds: float) -> int:
        """Send for a while; the target at its end."""
        target = self.rate.target_bps(self.now)
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            target = self.rate.target_bps(self.now)
            self._due_bits += min(target, self.need_bps) * 0.01
            while self._due_bits > 9600:
                self._due_bits -= 9600
                self._sequence = (self._sequence + 1) & 0xFFFF
                self.rate.on_sent(self._sequence, 1200, self.now)
        return target

    def report(self, loss: float = 0.0, rtt_s: float | None = 0.04) -> None:
        self.rate.on_report(loss, rtt_s, self.now)

    def remb(self, bps: int) -> None:
        self.rate.on_remb(bps, self.now)

    def second(self, loss: float = 0.0, rtt_s: float | None = 0.04) -> int:
        target = self.send(1.0)
        self.report(loss, rtt_s)
        return target


def test_clear_reports_let_it_grow_to_the_maximum():
    play = Play()
    seen = [play.second() for _ in range(10)]
    assert seen == sorted(seen) and seen[-1] == HIGH
    assert seen[4] > 2 * START  # far above 8 % a second


def test_without_feedback_nothing_grows():
    play = Play()
    play.report()
    assert play.send(30.0) <= 1.4 * START


def test_a_picture_that_needs_little_proves_nothing_either_way():
    play = Play(need_bps=300_000)
    for _ in range(10):
        play.second()
        play.remb(310_000)
    assert play.rate.target_bps(play.now) == START
    play.remb(255_000)
    assert play.rate.target_bps(play.now) == START


def test_a_fall_of_remb_is_taken_at_its_word():
    play = Play()
    for _ in range(6):
        play.second()
        play.remb(5_000_000)
    play.send(0.05)
    play.remb(2_400_000)
    assert play.rate.target_bps(play.now) == 2_400_000
    assert play.send(0.9) == 2_400_000


def test_a_collapse_stops_the_frames_and_then_paces_them():
    play = Play()
    for _ in range(6):
        play.second()
        play.remb(6_000_000)
    before = play.rate.target_bps(play.now)
    for step in (2, 3, 4):  # tenths of a second in which next to nothing came
        play.send(0.1)
        play.remb(round(0.85 * before * (1 - step / 10)))
    assert play.rate.target_bps(play.now) < 0.2 * before
    assert play.rate.pace_bps(play.now) == 0 and play.rate.draining(play.now)
    play.send(0.6)
    assert 0 < play.rate.pace_bps(play.now) < play.rate.target_bps(play.now)
    for _ in range(4):
        play.second()
    assert play.rate.pace_bps(play.now) == pytest.approx(play.rate.target_bps(play.now), rel=0.01)


def test_a_half_is_no_collapse():
    play = Play()
    for _ in range(4):
        play.second()
        play.remb(4_000_000)
    sent = play.rate.target_bps(play.now)
    for step in range(1, 9):
        play.send(0.1)
        play.remb(round(0.85 * sent * (1 - 0.4 * step / 10)))
        assert play.rate.pace_bps(play.now) > 0
    assert play.rate.target_bps(play.now) > 0.4 * sent


def test_a_slow_rising_remb_does_not_hold_it_down():
    play, remb = Play(ViewerRate(CONFIG, 0.0, LOW)), 260_000
    for _ in range(12):
        play.second()
        play.remb(remb := round(remb * 1.08))
    assert play.rate.target_bps(play.now) > 4 * remb


def test_a_remb_that_does_not_move_above_which_we_send_is_over_use():
    play = Play()
    for _ in range(5):
        play.second()
        play.remb(1_000_000)
    assert play.rate.target_bps(play.now) < START


@pytest.mark.parametrize("loss", [0.0, 0.02, 0.05, 0.09])
def test_random_loss_is_no_congestion(loss: float):
    play = Play()
    assert [play.second(loss) for _ in range(12)][-1] == HIGH


def test_heavy_loss_is():
    play = Play()
    for _ in range(3):
        play.second()
    before = play.rate.target_bps(play.now)
    play.second(0.4)
    assert play.rate.target_bps(play.now) < 0.7 * before


def test_a_longer_round_trip_reduces_and_a_jittery_one_does_not():
    play = Play()
    for index in range(8):
        play.second(rtt_s=0.04 + 0.02 * (index % 2))
    assert play.rate.target_bps(play.now) == HIGH
    play.second(rtt_s=0.2)
    assert play.rate.target_bps(play.now) < 0.9 * HIGH


def test_what_a_report_does_not_mention_is_in_a_queue():
    play = Play()
    for _ in range(3):
        play.second()
    before = play.rate.target_bps(play.now)
    play.rate.on_report(0.0, 0.04, play.now, 0)
    assert play.rate.target_bps(play.now) < before
    assert play.rate.draining(play.now)


def test_repeats_come_out_of_the_same_room():
    play = Play()
    play.send(1.0)
    target = play.rate.target_bps(play.now)
    assert all(play.rate.may_repeat(index, 1200, play.now) for index in range(6))
    assert play.rate.target_bps(play.now) < target


signals = st.one_of(
    st.tuples(st.just("remb"), st.integers(0, 20_000_000)),
    st.tuples(st.just("report"), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 5))),
    st.tuples(st.just("late"), st.floats(0, 1), st.integers(0, 1 << 32)),
    st.tuples(st.just("send"), st.floats(0, 4)),
    st.tuples(st.just("repeat"), st.integers(0, 65_535)),
)


@given(st.lists(signals, max_size=40))
def test_whatever_a_viewer_says_the_limits_hold(events: list[tuple[object, ...]]):
    play = Play()
    for event in events:
        match event:
            case ("remb", int(bps)):
                play.remb(bps)
            case ("report", float(loss), float() | None as rtt_s):
                play.report(loss, rtt_s)
            case ("late", float(loss), int(highest)):
                play.rate.on_report(loss, None, play.now, highest)
            case ("send", float(seconds)):
                play.send(min(seconds, 0.3))
                play.now += seconds
            case ("repeat", int(sequence)):
                play.rate.may_repeat(sequence, 1200, play.now)
        assert LOW <= play.rate.target_bps(play.now) <= HIGH
        assert 0 <= play.rate.pace_bps(play.now) <= HIGH
