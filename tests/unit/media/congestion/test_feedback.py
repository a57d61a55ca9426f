from __future__ import annotations

import pytest

from lightmill.media.congestion.feedback import SWOLLEN_SHARE, Fall, Loss, QueueDelay


def test_the_slope_of_a_fall_tells_what_arrives():
    fall = Fall()
    assert fall.arriving_bps(3_600_000, 4_000_000, 0.1) == 3_600_000
    for step in (2, 3, 4):
        seen = fall.arriving_bps(4_000_000 - 3_700_000 * step / 10, 4_000_000, step / 10)
    assert seen == pytest.approx(300_000, abs=200_000)


def test_a_queue_is_told_from_the_least_round_trip():
    queue = QueueDelay()
    for rtt_s, share in ((0.05, 1.0), (0.08, 1.0), (0.15, 0.8), (0.4, SWOLLEN_SHARE), (0.05, 1.0)):
        queue.on_rtt(rtt_s, 1.0)
        assert queue.share == share
    for at in range(2, 60):  # a longer path: after a while it is the least
        queue.on_rtt(0.2, float(at))
    assert queue.share == 1.0


def test_short_reports_are_joined():
    loss = Loss(0.0)
    for index in range(7):
        loss.sent_bytes += 10_000
        assert loss.judge(0.2 * (index == 0), 0.1 * (index + 1)) is None
    loss.sent_bytes += 10_000
    assert loss.judge(0.0, 0.85) is None
    loss.sent_bytes += 100_000
    assert loss.judge(0.5, 1.85) == pytest.approx(0.85 * 0.5 * 800_000, rel=0.01)
