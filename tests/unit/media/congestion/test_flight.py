from __future__ import annotations

import pytest

from lightmill.media.congestion.flight import MOST_PACKETS, Flight


def test_what_passed_and_what_waits_over_a_wrap():
    flight = Flight()
    for index in range(10):
        flight.sent((65_530 + index) % 65_536, 100, index * 0.01)
    progress = flight.reported(65_535, 0.2)
    assert progress.passed_bytes == 600
    assert progress.waiting_s == pytest.approx(0.14)
    # A report carries the extended number; an older one that comes late takes nothing back.
    assert flight.reported((1 << 16) + 3, 0.3).passed_bytes == 400
    assert flight.reported(65_535, 0.4).passed_bytes == 0
    assert flight.reported((1 << 16) + 3, 0.4).waiting_s == 0.0


def test_a_viewer_that_reports_nothing_costs_no_more_memory():
    flight = Flight()
    for index in range(3 * MOST_PACKETS):
        flight.sent(index & 0xFFFF, 1, 0.0)
    newest = (3 * MOST_PACKETS - 1) & 0xFFFF
    assert flight.reported(newest, 1.0).passed_bytes == MOST_PACKETS
