from __future__ import annotations

from lightmill.media.congestion.repeats import SHARE, Repeats


def test_a_packet_is_repeated_once_a_round_trip():
    repeats = Repeats()
    assert repeats.admit(7, 1200, 1e6, 0.1, 0.0)
    assert not repeats.admit(7, 1200, 1e6, 0.1, 0.09)
    assert repeats.admit(7, 1200, 1e6, 0.1, 0.11)


def test_repeats_are_a_share_of_the_target():
    repeats, sent = Repeats(), 0
    for index in range(4000):
        sent += 1200 * repeats.admit(index, 1200, 1_000_000, 0.04, index * 0.001)
    assert 0.8 * SHARE < sent * 8 / 4 / 1_000_000 < 1.2 * SHARE


def test_random_loss_is_no_flood_and_a_full_queue_is():
    for share, flood in ((0.08, False), (0.5, True)):
        repeats = Repeats()
        for index in range(round(400 * share)):  # of 400 packets a second
            repeats.admit(index, 1200, 4e6, 0.04, index / (400 * share))
        assert (repeats.lost_bps(4e6, 1.0) is not None) is flood


def test_few_packets_are_never_a_flood():
    repeats = Repeats()
    for index in range(6):
        repeats.admit(index, 1200, 250_000, 0.04, index * 0.01)
    assert repeats.lost_bps(250_000, 0.06) is None
