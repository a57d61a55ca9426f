"""Data to those who want it: numbered, never queued, never too large."""

from __future__ import annotations

import json
import logging

from lightmill.session.data_push import DataPush


class Peer:
    """Takes ``room`` messages, then is full."""

    def __init__(self, wants=True, room=1000):
        self.wants_data = wants
        self.got = []
        self._room = room

    def push_data(self, text):
        if len(self.got) >= self._room:
            return False
        self.got.append(json.loads(text))
        return True


def test_who_wants_it_gets_it_numbered_by_stage():
    push, one, other = DataPush("show", 1000), Peer(), Peer(wants=False)
    for stage in ("main", "pre", "main"):
        push.push(stage, "pose", '{"x":[0.5]}', [one, other])
    assert [(m["stage"], m["sequence"]) for m in one.got] == [("main", 1), ("pre", 1), ("main", 2)]
    assert one.got[0] == {
        "type": "data", "stage": "main", "pipeline": "pose", "sequence": 1, "data": {"x": [0.5]},
    }  # fmt: skip
    assert other.got == [] and push.describe() == {"sent": 3, "dropped": 0, "too_large": 0}


def test_a_slow_reader_misses_messages_and_sees_the_gap():
    push, slow, fast = DataPush("show", 1000), Peer(room=2), Peer()
    for number in range(5):
        push.push("main", "pose", str(number), [slow, fast])
        if number == 3:
            slow._room = 3
    assert [m["sequence"] for m in slow.got] == [1, 2, 5] and len(fast.got) == 5
    assert push.describe() == {"sent": 8, "dropped": 2, "too_large": 0}


def test_too_large_is_dropped_and_warned_of_once(caplog):
    push, peer = DataPush("show", 200), Peer()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            push.push("main", "pose", json.dumps("x" * 200), [peer])
    push.push("main", "pose", '"small"', [peer])
    assert [m["data"] for m in peer.got] == ["small"] and push.describe()["too_large"] == 3
    assert len(caplog.records) == 1 and "media.max_data_bytes" in caplog.text
