"""What a publisher's network takes, estimated from when its packets come; for REMB.

Google's congestion control (draft-ietf-rmcat-gcc-02), delay-based and at the receiver, with three
differences: groups are measured at their first packets, so that the size of a frame is no delay;
the delay's trend is the gap between a fast and a slow mean of it; growth is quick except near a
rate at which the network was full.
"""

from __future__ import annotations

from lightmill.config import MediaConfig
from lightmill.media.congestion.byte_rate import ByteRate
from lightmill.media.congestion.growth import FullPoints

ABS_SEND_TIME_HZ, ABS_SEND_TIME_MASK = 1 << 18, (1 << 24) - 1
RTP_HZ, RTP_MASK = 90_000, (1 << 32) - 1
GROUP_S = 0.005
"""Packets sent within this long are one group (draft-ietf-rmcat-gcc-02, 5.2)."""
GAP_S = 2.0
"""After a pause this long the delay is learnt anew."""
FAST_S, SLOW_S = 0.05, 0.4
"""Time constants of the two means; with a queue that grows 5 % of the time they part by 17 ms."""
THRESHOLD_S, THRESHOLD_LIMITS_S = 0.0125, (0.006, 0.6)
THRESHOLD_UP, THRESHOLD_DOWN = 10.0, 0.18
"""Adaptation a second: K_u and K_d of draft-ietf-rmcat-gcc-02, 5.4 and 5.6."""
OUTLIER_S = 0.015
"""A trend this far over the threshold does not teach it (5.4)."""
OVERUSE_S = 0.03
"""A trend over the threshold for so long, and not falling, is over-use (5.4: 10 ms a group)."""
STANDING_S = 0.3
"""A queue this long that does not fall is over-use too."""
STRETCH_S = 0.1
"""A burst that takes this long to come in is judged before it is complete."""
COLLAPSE = 0.5
LEAST_DELAY_WINDOW_S = 20.0
RECEIVED_WINDOW_S = 0.4
BACKOFF = 0.85
DECREASE_INTERVAL_S = 0.2
NOISE_QUEUE_S = 0.06
"""Over-use of a sender that sends little, with less than this in the queue, is noise."""
HOLD_S = 0.8
GROWTH = 0.5
"""Share added each second, far from where the network was full."""
FLOOR = 0.5
"""The least estimate, as a share of the configured minimum: below a sender's own minimum its queue
drains."""
HEADROOM, HEADROOM_BPS = 1.5, 10_000
"""The estimate grows to at most this much over what comes in (5.5)."""
HIGH_LOSS = 0.10
REMB_FELL = 0.97
REMB_INTERVAL_S = 0.5


class ReceiveEstimator:
    """Estimates for one publisher, all its video packets together. Cheap per packet.

    Arrival times are seconds of one monotonic clock. Feed it `on_packet`, ask `remb` once a frame
    and send what it gives.
    """

    def __init__(self, config: MediaConfig) -> None:
        self._low, self._high = FLOOR * config.min_bitrate_bps, config.max_bitrate_bps
        self._estimate = float(config.start_bitrate_bps)
        self._received = ByteRate(RECEIVED_WINDOW_S)
        self._trend = DelayTrend()
        self._full = FullPoints(GROWTH)
        self._timed = True
        self._mask, self._hz, self._group_ticks = _clock(timed=True)
        self._group_sent: int | None = None
        self._group_arrival_s = 0.0
        self._group_bytes = 0
        self._grown_at = 0.0
        self._hold_until = self._fell_at = float("-inf")
        self._reported: tuple[float, float] | None = None

    @property
    def estimate_bps(self) -> int:
        return round(self._estimate)

    def on_packet(
        self, arrival_s: float, size_bytes: int, rtp_timestamp: int, abs_send_time: int | None
    ) -> None:
        """Take a packet of whatever stream of this publisher's video, retransmissions included.

        Without ``abs_send_time`` (6.18 seconds, 24 bits) the RTP timestamp tells when it was sent;
        then retransmissions must be left out. The first packet decides which of the two it is.
        """
        self._received.add(size_bytes, arrival_s)
        if self._group_sent is None:
            self._begin(arrival_s, abs_send_time is not None)
            self._group_sent = rtp_timestamp if abs_send_time is None else abs_send_time
        sent = abs_send_time if self._timed else rtp_timestamp
        if sent is None:
            return
        elapsed = (sent - self._group_sent) & self._mask
        if elapsed <= self._group_ticks:
            self._group_bytes += size_bytes
            if arrival_s - self._group_arrival_s > STRETCH_S:
                self._on_stretch(arrival_s)
        elif elapsed <= self._mask >> 1 or arrival_s - self._group_arrival_s > GAP_S:
            # What is sent before the open group is late and tells nothing, except after a pause
            # so long that the clock has wrapped.
            self._on_group(elapsed / self._hz, arrival_s)
            self._group_sent, self._group_bytes = sent, size_bytes
            self._group_arrival_s = arrival_s

    def on_loss(self, fraction_lost: float, now: float) -> None:
        """Take the loss of about a second (draft-ietf-rmcat-gcc-02, 6)."""
        if fraction_lost > HIGH_LOSS:
            self._decrease((1 - fraction_lost / 2) * self._received.bps(now), now)

    def remb(self, now: float) -> int | None:
        """The estimate, when it is time to send it: at once when it fell, else twice a second."""
        if self._reported is not None:
            last_bps, last_at = self._reported
            if self._estimate > REMB_FELL * last_bps and now - last_at < REMB_INTERVAL_S:
                return None
        self._reported = (self._estimate, now)
        return round(self._estimate)

    def _begin(self, arrival_s: float, timed: bool) -> None:
        self._timed = timed
        self._mask, self._hz, self._group_ticks = _clock(timed=timed)
        self._group_arrival_s = self._grown_at = arrival_s

    def _on_group(self, sent_s: float, arrival_s: float) -> None:
        arrived_s = arrival_s - self._group_arrival_s
        if sent_s > GAP_S or arrived_s > GAP_S:
            self._trend = DelayTrend()
        elif self._trend.add(arrived_s - sent_s, arrived_s, arrival_s):
            self._on_overuse(arrival_s)
            return
        self._grow(arrival_s)

    def _on_stretch(self, now: float) -> None:
        """A burst comes in slowly: its own rate is what the network takes now."""
        rate = self._group_bytes * 8 / (now - self._group_arrival_s)
        if rate < COLLAPSE * self._received.bps(now):
            self._decrease(BACKOFF * rate, now)

    def _on_overuse(self, now: float) -> None:
        received = self._received.bps(now)
        if received < COLLAPSE * self._estimate and self._trend.queue_s < NOISE_QUEUE_S:
            self._hold_until = max(self._hold_until, now + HOLD_S)
            return
        self._decrease(BACKOFF * received, now)

    def _decrease(self, bps: float, now: float) -> None:
        self._hold_until = now + HOLD_S
        self._grown_at = now
        if now - self._fell_at < DECREASE_INTERVAL_S or bps >= self._estimate:
            return
        self._fell_at = now
        self._full.remember(bps / BACKOFF, now)
        self._estimate = max(self._low, bps)

    def _grow(self, now: float) -> None:
        elapsed, self._grown_at = min(now - self._grown_at, 0.5), now
        if now < self._hold_until or self._trend.falls:
            return
        rate = self._full.growth(self._estimate, now)
        most = min(self._high, HEADROOM * self._received.bps(now) + HEADROOM_BPS)
        grown = min(most, self._estimate * (1 + rate * elapsed))
        self._estimate = max(self._estimate, grown)


class DelayTrend:
    """Whether the one-way delay grows, from the variation between groups (seconds)."""

    def __init__(self) -> None:
        self.queue_s = 0.0
        """Delay over the least one of a while."""
        self.falls = False
        self._delay_s = self._fast_s = self._slow_s = 0.0
        self._threshold_s = THRESHOLD_S
        self._over_s = 0.0
        self._gap_s = 0.0
        self._least_s = [0.0, 0.0]
        self._turned_at: float | None = None

    def add(self, variation_s: float, elapsed_s: float, now: float) -> bool:
        """Take how much later than its predecessor a group came; return whether it is over-use."""
        self._delay_s += variation_s
        self._fast_s += (self._delay_s - self._fast_s) * elapsed_s / (FAST_S + elapsed_s)
        self._slow_s += (self._delay_s - self._slow_s) * elapsed_s / (SLOW_S + elapsed_s)
        self._measure_queue(now)
        before, gap = self._gap_s, self._fast_s - self._slow_s
        self._gap_s = gap
        self.falls = gap < -self._threshold_s
        over = gap > self._threshold_s
        self._over_s = self._over_s + elapsed_s if over else 0.0
        self._adapt(abs(gap), elapsed_s)
        if over and self._over_s >= OVERUSE_S and gap >= before:
            return True
        return self.queue_s > STANDING_S and not self.falls

    def _measure_queue(self, now: float) -> None:
        if self._turned_at is None or now - self._turned_at > LEAST_DELAY_WINDOW_S / 2:
            self._least_s = [self._least_s[1], self._delay_s]
            self._turned_at = now
        elif self._delay_s < self._least_s[1]:
            self._least_s[1] = self._delay_s
        self.queue_s = self._delay_s - min(self._least_s)

    def _adapt(self, size_s: float, elapsed_s: float) -> None:
        if size_s > self._threshold_s + OUTLIER_S:
            return
        gain = THRESHOLD_UP if size_s > self._threshold_s else THRESHOLD_DOWN
        low, high = THRESHOLD_LIMITS_S
        moved = self._threshold_s + gain * min(elapsed_s, 0.1) * (size_s - self._threshold_s)
        self._threshold_s = min(high, max(low, moved))


def _clock(*, timed: bool) -> tuple[int, int, int]:
    """Mask, ticks a second and ticks a group of the send times."""
    mask, hz = (ABS_SEND_TIME_MASK, ABS_SEND_TIME_HZ) if timed else (RTP_MASK, RTP_HZ)
    return mask, hz, int(GROUP_S * hz)
