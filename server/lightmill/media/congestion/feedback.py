"""What REMBs, round trips and losses tell about a viewer's network, one sign at a time.

All times are seconds of one monotonic clock, all rates bits per second.
"""

from __future__ import annotations

from collections import deque

BACKOFF = 0.85
"""Share of what arrives that is left to a full network (draft-ietf-rmcat-gcc-02, 5.5)."""
DRAIN_SHARE, SWOLLEN_SHARE = 0.8, 0.5
"""Share of the target that is sent while a queue builds or stands."""
REMB_WINDOW_S = 1.0
"""Receivers measure what arrives over one second (libwebrtc, aiortc)."""
SLOPE_S, SLOPE_MOST_S = 0.08, 0.4
"""Two REMBs of one fall so far apart tell what arrives now, not only the mean of a second."""
BUILDING_S = 0.015
"""A round trip this much above the least one may be the begin of a queue."""
CROWDED_S, INFLATED_S, SWOLLEN_S = 0.04, 0.08, 0.25
"""Round trips this much above the least one: no more fits; a queue builds; a queue stands."""
LOSS_WINDOW_S = 0.8
"""Shorter reports are joined: 5 % of few packets is often 10 %."""
HIGH_LOSS, HEAVY_LOSS = 0.10, 0.25
"""Random loss stays below the first (draft-ietf-rmcat-gcc-02, 6); the second is a full queue."""
LEAST_RTT_WINDOW_S = 30.0


class Fall:
    """Tells from how fast a receiver's mean of a second falls what arrives at its end."""

    def __init__(self) -> None:
        self._before_bps = 0.0
        self._began_at = float("-inf")
        self._means: deque[tuple[float, float]] = deque()

    def arriving_bps(self, mean_bps: float, sent_bps: float, now: float) -> float:
        """Take the newest mean; until two lie apart, it is all that is known."""
        if now - self._began_at > REMB_WINDOW_S:
            self._before_bps, self._began_at = max(mean_bps, sent_bps), now
        while self._means and now - self._means[0][0] > SLOPE_MOST_S:
            self._means.popleft()
        self._means.append((now, mean_bps))
        first_at, first_bps = self._means[0]
        if now - first_at < SLOPE_S or mean_bps >= first_bps:
            return mean_bps
        # The mean changes by what arrives now less what leaves the window.
        slope = (mean_bps - first_bps) * REMB_WINDOW_S / (now - first_at)
        return max(0.0, min(mean_bps, self._before_bps + slope))


class QueueDelay:
    """Tells from round trips whether a queue builds; the least one of a while is the empty path."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of the target, that may be sent now."""
        self.crowded = False
        self.least_s = self.newest_s = 0.0
        """The least round trip of a while, and the newest one."""
        self._least = [float("inf"), float("inf")]
        self._turned_at = float("-inf")
        self._excess_s: float | None = None

    @property
    def may_build(self) -> bool:
        """Whether a queue may have begun to build, or nothing is known."""
        return self._excess_s is None or self._excess_s > BUILDING_S

    def on_rtt(self, rtt_s: float, now: float) -> None:
        if now - self._turned_at > LEAST_RTT_WINDOW_S / 2:
            self._least, self._turned_at = [self._least[1], float("inf")], now
        self._least[1] = min(self._least[1], rtt_s)
        self.newest_s = rtt_s
        self.least_s = min(self._least)
        self._judge(rtt_s)

    def on_waiting(self, waiting_s: float) -> None:
        """Take what is known of the newest packets; it overrides the older round trip."""
        self._judge(waiting_s)

    def _judge(self, rtt_s: float) -> None:
        excess = self._excess_s = rtt_s - min(self._least)
        self.crowded = excess > CROWDED_S
        if excess > SWOLLEN_S:
            self.share = SWOLLEN_SHARE
        else:
            self.share = DRAIN_SHARE if excess > INFLATED_S else 1.0


class Loss:
    """Joins reports until they weigh enough, and says to what rate a loss reduces us."""

    def __init__(self, now: float) -> None:
        self.sent_bytes = 0
        self._lost_bytes = 0.0
        self._reported_bytes = 0
        self._since = now

    def judge(self, fraction_lost: float, now: float) -> float | None:
        self._lost_bytes += fraction_lost * self.sent_bytes
        self._reported_bytes += self.sent_bytes
        self.sent_bytes = 0
        elapsed, reported = now - self._since, self._reported_bytes
        if elapsed < LOSS_WINDOW_S or not reported:
            return None
        loss, sent_bps = self._lost_bytes / reported, reported * 8 / elapsed
        self._lost_bytes, self._reported_bytes, self._since = 0.0, 0, now
        if loss > HEAVY_LOSS:
            return BACKOFF * (1 - loss) * sent_bps
        return (1 - loss / 2) * sent_bps if loss > HIGH_LOSS else None
