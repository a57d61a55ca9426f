"""The front process' memory: which worker has which session and peer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lightmill.errors import PeerNotFound, SessionNotFound
from lightmill.session.host import PeerRecord

MAX_LOST_NAMES = 256
"""Sessions whose worker died are remembered, so that a client learns why its session is gone."""


@dataclass(slots=True)
class Place:
    """A session's worker, fixed while the session is open or a request for it is under way."""

    worker: int
    placed_at: float
    is_open: bool = False
    n_pending: int = 0


class Tables:
    """Kept in step by the workers' messages; `lose` forgets all that a dead worker had."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._peers: dict[str, tuple[int, PeerRecord]] = {}
        self._lost: dict[str, None] = {}

    @property
    def n_sessions(self) -> int:
        """Sessions that are open or about to be."""
        return len(self._places)

    def knows(self, name: str) -> bool:
        return name in self._places

    def reserve(self, name: str, now: float, choose: Callable[[], int]) -> Place:
        """The session's place, chosen now if it has none; every `reserve` needs a `release`."""
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = Place(choose(), now)
        place.n_pending += 1
        return place

    def release(self, name: str, place: Place) -> None:
        place.n_pending -= 1
        self._tidy(name, place)

    def _tidy(self, name: str, place: Place) -> None:
        unused = not place.is_open and place.n_pending == 0
        if unused and self._places.get(name) is place:
            del self._places[name]

    def opened(self, name: str, worker: int) -> None:
        place = self._places.get(name)
        if place is not None and place.worker == worker:
            place.is_open = True
            self._lost.pop(name, None)

    def ended(self, name: str, worker: int) -> None:
        place = self._places.get(name)
        if place is None or place.worker != worker:
            return
        place.is_open = False
        self._tidy(name, place)
        self.forget_peers(
            [peer for peer, (_, record) in self._peers.items() if record.session == name]
        )

    def worker_of(self, name: str) -> int:
        """The worker that has the session. Raises `SessionNotFound`."""
        place = self._places.get(name)
        if place is not None and place.is_open:
            return place.worker
        if name in self._lost:
            raise SessionNotFound(
                f"no session {name} any more: its worker process died; connect or create it anew"
            )
        raise SessionNotFound(f"no session {name}; GET /sessions lists those that run")

    def add_peer(self, peer: str, record: PeerRecord, worker: int) -> None:
        """Remember a peer, unless its session has ended since it was answered."""
        place = self._places.get(record.session)
        if place is not None and place.is_open and place.worker == worker:
            self._peers[peer] = (worker, record)

    def forget_peers(self, peers: Iterable[str]) -> None:
        for peer in peers:
            self._peers.pop(peer, None)

    def peer(self, peer: str) -> tuple[int, PeerRecord]:
        """The peer's worker and record. Raises `PeerNotFound`."""
        try:
            return self._peers[peer]
        except KeyError:
            raise PeerNotFound(f"no peer {peer}; it may have left, open a new connection") from None

    def lose(self, worker: int) -> list[str]:
        """Forget what a dead worker had; returns the names of its open sessions."""
        names = [name for name, place in self._places.items() if place.worker == worker]
        lost = [name for name in names if self._places[name].is_open]
        for name in names:
            del self._places[name]
        self._peers = {p: row for p, row in self._peers.items() if row[0] != worker}
        self._lost.update(dict.fromkeys(lost))
        while len(self._lost) > MAX_LOST_NAMES:
            del self._lost[next(iter(self._lost))]
        return lost

    def count(self, worker: int) -> tuple[int, int]:
        """The worker's sessions and peers."""
        places = self._places.values()
        return (
            sum(place.worker == worker and place.is_open for place in places),
            sum(owner == worker for owner, _ in self._peers.values()),
        )

    def count_placed_since(self, worker: int, since: float) -> int:
        """Sessions that the worker got after ``since``."""
        places = self._places.values()
        return sum(place.worker == worker and place.placed_at > since for place in places)
