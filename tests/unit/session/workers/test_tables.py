from __future__ import annotations

import pytest

from lightmill.errors import PeerNotFound, SessionNotFound, Unavailable
from lightmill.session.host import PeerRecord, PeerRole
from lightmill.session.workers.tables import Tables


def record(session: str) -> PeerRecord:
    return PeerRecord(PeerRole.VIEWER, session, "tag")


def opened(tables: Tables, name: str, worker: int) -> None:
    place = tables.reserve(name, 0, lambda: worker)
    tables.opened(name, worker)
    tables.release(name, place)


def test_requests_for_one_name_meet_in_one_worker():
    tables = Tables()
    first = tables.reserve("show", 1.0, lambda: 1)
    second = tables.reserve("show", 2.0, lambda: 0)
    assert first is second and first.worker == 1
    tables.release("show", first)
    assert tables.knows("show") and tables.n_sessions == 1
    tables.release("show", second)
    assert not tables.knows("show")  # both were refused


def test_a_choice_that_fails_reserves_nothing():
    def none() -> int:
        raise Unavailable("none")

    tables = Tables()
    with pytest.raises(Unavailable):
        tables.reserve("show", 0, none)
    assert tables.n_sessions == 0


def test_sessions_and_peers_come_and_go():
    tables = Tables()
    opened(tables, "show", 0)
    opened(tables, "other", 1)
    tables.add_peer("a", record("show"), 0)
    tables.add_peer("b", record("other"), 1)
    assert tables.worker_of("show") == 0 and tables.peer("b") == (1, record("other"))
    assert tables.count(0) == tables.count(1) == (1, 1)
    assert tables.count_placed_since(0, -1) == 1 and tables.count_placed_since(0, 0) == 0
    tables.ended("other", 0)  # another worker's word does not count
    tables.ended("show", 0)
    with pytest.raises(PeerNotFound):
        tables.peer("a")
    with pytest.raises(SessionNotFound, match="GET /sessions"):
        tables.worker_of("show")
    tables.add_peer("late", record("show"), 0)  # answered, but its session has ended since
    with pytest.raises(PeerNotFound):
        tables.peer("late")
    tables.forget_peers(["b", "unknown"])
    assert tables.count(1) == (1, 0)


def test_a_session_that_ends_while_it_is_asked_for_keeps_its_worker():
    tables = Tables()
    opened(tables, "show", 0)
    place = tables.reserve("show", 0, lambda: 1)
    tables.ended("show", 0)
    assert place.worker == 0 and tables.knows("show")
    tables.opened("show", 0)
    tables.release("show", place)
    assert tables.worker_of("show") == 0


def test_a_dead_worker_takes_only_its_own_and_its_sessions_are_remembered(monkeypatch):
    monkeypatch.setattr("lightmill.session.workers.tables.MAX_LOST_NAMES", 2)
    tables = Tables()
    for name, worker in [("x", 0), ("y", 0), ("z", 0), ("other", 1)]:
        opened(tables, name, worker)
        tables.add_peer(f"peer-{name}", record(name), worker)
    pending = tables.reserve("pending", 0, lambda: 0)
    assert tables.lose(0) == ["x", "y", "z"]
    assert tables.worker_of("other") == 1 and tables.peer("peer-other")
    with pytest.raises(PeerNotFound):
        tables.peer("peer-x")
    with pytest.raises(SessionNotFound, match="worker process died"):
        tables.worker_of("z")
    with pytest.raises(SessionNotFound, match="GET /sessions"):
        tables.worker_of("x")  # forgotten: only the last are remembered
    tables.release("pending", pending)
    opened(tables, "z", 1)
    assert tables.worker_of("z") == 1 and tables.n_sessions == 2
    tables.ended("z", 1)
    with pytest.raises(SessionNotFound, match="GET /sessions"):
        tables.worker_of("z")
