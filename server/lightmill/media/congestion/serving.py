"""Whether the packets that viewers get serve a recording too. Pure."""

from __future__ import annotations

STARVED_S = 0.5
"""A lane whose frames are left out for so long serves no more."""
FIT_AGAIN_S = 10.0
"""With whole pictures and no frame left out for so long it serves again."""


class MainServes:
    """Judges the main lane about ten times a second; times are of one monotonic clock.

    A smaller picture ends its service at once, for a file cannot change its size.
    """

    def __init__(self) -> None:
        self._serves = True
        self._since: float | None = None

    def update(self, *, shrunk: bool, starved: bool, watched: bool, now: float) -> bool:
        """``watched``: it has viewers; without them, what is said of it may be old."""
        if self._serves:
            self._since = (now if self._since is None else self._since) if starved else None
            lasted = self._since is not None and now - self._since >= STARVED_S
            if shrunk or lasted:
                self._serves, self._since = False, None
        else:
            fit = watched and not shrunk and not starved
            self._since = (now if self._since is None else self._since) if fit else None
            if self._since is not None and now - self._since >= FIT_AGAIN_S:
                self._serves, self._since = True, None
        return self._serves
