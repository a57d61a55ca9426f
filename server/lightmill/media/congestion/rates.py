"""What one viewer's network takes, judged by the sender from REMB, receiver reports and its rate.

A receiver's REMB (draft-alvestrand-rmcat-remb-03) falls well and rises badly: libwebrtc and aiortc
add at most 8 % a second, so a sender that only obeys needs minutes to come back. We take a fall at
its word, and look for more room ourselves while nothing speaks against it.
"""

from __future__ import annotations

from collections import deque

from lightmill.config import MediaConfig
from lightmill.media.congestion.byte_rate import ByteRate
from lightmill.media.congestion.feedback import BACKOFF, SWOLLEN_SHARE, Fall, Loss, QueueDelay
from lightmill.media.congestion.flight import Flight
from lightmill.media.congestion.growth import FullPoints
from lightmill.media.congestion.repeats import WINDOW_S, Repeats

SENT_WINDOW_S = 1.0
REMB_FELL = 0.97
"""A REMB under the last one times this is a fall."""
STORM, STORM_S = 8, 0.5
"""This many REMBs in so short a time are over-use, whatever they say: aiortc then sends one for
each packet, and its value may even rise to what arrives when we had left it behind."""
LEFT_BEHIND, UNMOVED_BACKOFF = 0.9, 0.9
"""Over-use leaves libwebrtc's estimate as it is when we send more than that already. So does a
sender's own limit (aiortc), but a queue shows in the round trips."""
COLLAPSE = 0.5
"""Arrivals below this share of what was sent: the link broke down, and its queue is full."""
PAUSE_S, DRAIN_S = 0.5, 2.0
"""After a collapse nothing is sent for the first, and little for the second, so that the next
keyframe finds room in the queue; the pictures that are in it play meanwhile."""
DRAINING_ANSWER_S = 0.5
"""While a queue drains, round trips are longer than the last report knows."""
FLOOD_FLOOR = 0.8
"""One flood of requests halves nothing: what it counts came within a third of a second."""
HOLD_S = 1.0
"""Nothing grows for this long after a fall."""
SILENCE_S = 3.0
"""Feedback older than this allows no growth."""
GROWTH = 0.35
"""Share of the target added each second, far from where the network was full."""
UNPROVEN = 1.4
"""The target runs at most this far ahead of the last one that feedback found clear."""
FILLED = 0.6
"""Sending less than this share of the target proves nothing about it: the picture needs less.
Encoders stay up to a third below a target that has just grown."""


class ViewerRate:
    """One viewer's target, bits per second. All times are seconds of one monotonic clock.

    Tell it what is sent and what comes back as it happens, and ask `target_bps` about ten times a
    second. `pace_bps` is what may really be sent: less than the target while a queue drains.
    """

    def __init__(self, config: MediaConfig, now: float, start_bps: int | None = None) -> None:
        self._low, self._high = config.min_bitrate_bps, config.max_bitrate_bps
        self._target = float(min(self._high, start_bps or config.start_bitrate_bps))
        self._proven = self._mean_target = self._target
        self._sent = ByteRate(SENT_WINDOW_S)
        self._repeats = Repeats()
        self._flight = Flight()
        self._grown_at = self._fed_at = self._hold_until = now
        self._reported_at = now
        self._collapsed_at = self._flooded_at = self._cut_at = float("-inf")
        self._full = FullPoints(GROWTH)
        self._remb: int | None = None
        self._remb_times: deque[float] = deque(maxlen=STORM)
        self._fall = Fall()
        self._queue = QueueDelay()
        self._loss = Loss(now)

    def target_bps(self, now: float) -> int:
        """What the encoder shall produce for this viewer; repeats come out of the same room."""
        elapsed, self._grown_at = min(now - self._grown_at, 0.5), now
        self._mean_target += (self._target - self._mean_target) * elapsed / SENT_WINDOW_S
        if elapsed > 0 and self._may_grow(now):
            rate = self._full.growth(self._target, now)
            limit = min(self._high, UNPROVEN * self._proven)
            self._target = max(self._target, min(limit, self._target * (1 + rate * elapsed)))
        return max(self._low, round(self._target - self._repeats.bps(now)))

    def pace_bps(self, now: float) -> float:
        """What may be sent, 0 while nothing may: skip frames so that no more is encoded."""
        if now - self._collapsed_at < PAUSE_S:
            return 0.0
        share = SWOLLEN_SHARE if self._drains(now) else self._queue.share
        return share * max(self._low, self._target - self._repeats.bps(now))

    def draining(self, now: float) -> bool:
        """Whether a queue drains: then a keyframe takes longer than the viewer's patience."""
        return self._drains(now) or self._queue.share < 1

    def answer_s(self, now: float) -> float:
        """How long the viewer takes to answer what is sent now: the newest round trip."""
        return max(self._queue.newest_s, DRAINING_ANSWER_S if self.draining(now) else 0.0)

    def on_sent(self, sequence_number: int, size_bytes: int, now: float) -> None:
        """Count a packet that is sent for the first time."""
        self._sent.add(size_bytes, now)
        self._flight.sent(sequence_number, size_bytes, now)
        self._loss.sent_bytes += size_bytes

    def may_repeat(self, sequence_number: int, size_bytes: int, now: float) -> bool:
        """Whether a packet that the viewer asks for again may be sent; counts it when so.

        Do not ask for packets before the last keyframe: nobody needs them any more.
        """
        sent = self._sent.bps(now)
        rtt_s = self._queue.least_s
        admitted = self._repeats.admit(sequence_number, size_bytes, self._target, rtt_s, now)
        lost = self._repeats.lost_bps(sent, now)
        if lost is not None and now - self._flooded_at > WINDOW_S:
            self._flooded_at = now
            left = max(min(sent, self._target) - lost, FLOOD_FLOOR * self._target)
            self._cut(BACKOFF * left, now)
        if not admitted or now - self._collapsed_at < PAUSE_S:
            return False
        self._sent.add(size_bytes, now)
        return True

    def on_remb(self, bitrate_bps: int, now: float) -> None:
        """Take an estimate of the viewer; only its changes say something about the network."""
        last, self._remb = self._remb, bitrate_bps
        self._fed_at = now
        self._remb_times.append(now)
        sent = self._sent.bps(now)
        storm = len(self._remb_times) == STORM and now - self._remb_times[0] < STORM_S
        if storm or bitrate_bps < (REMB_FELL * last if last else BACKOFF * sent):
            self._on_fall(bitrate_bps, sent, now)
        elif now >= self._hold_until:
            used = min(sent, self._target)
            unmoved = last is not None and bitrate_bps <= last and self._queue.may_build
            if unmoved and bitrate_bps < LEFT_BEHIND * used:
                left = max(bitrate_bps, UNMOVED_BACKOFF * used)
                self._cut(left, now, left)
            else:
                self._proven = self._target

    def on_report(
        self,
        fraction_lost: float,
        rtt_s: float | None,
        now: float,
        highest_sequence: int | None = None,
    ) -> None:
        """Take a receiver report (RFC 3550 section 6.4.1)."""
        elapsed, self._reported_at = now - self._reported_at, now
        self._fed_at = now
        sent = self._sent.bps(now)
        if rtt_s is not None:
            self._queue.on_rtt(rtt_s, now)
        arriving = sent
        if highest_sequence is not None:
            progress = self._flight.reported(highest_sequence, now)
            self._queue.on_waiting(progress.waiting_s)
            arriving = progress.passed_bytes * 8 * (1 - fraction_lost) / max(elapsed, 0.1)
        if self._queue.share < 1:
            self._on_queue(arriving, sent, now)
        elif self._queue.crowded:
            self._hold_until = max(self._hold_until, now + HOLD_S)
        cut = self._loss.judge(fraction_lost, now)
        if cut is not None:
            self._cut(cut, now)
        if now >= self._hold_until:
            self._proven = self._target

    def _on_queue(self, arriving_bps: float, sent_bps: float, now: float) -> None:
        left = min(sent_bps, self._target)
        if self._queue.share == SWOLLEN_SHARE:
            if arriving_bps < COLLAPSE * left:
                self._collapse(now)
            left = min(left, arriving_bps)
        self._cut(BACKOFF * left, now)

    def _on_fall(self, remb_bps: int, sent_bps: float, now: float) -> None:
        if sent_bps < self._low and remb_bps > sent_bps * BACKOFF / 2:
            return  # so little was sent that over-use is noise
        arriving = self._fall.arriving_bps(remb_bps / BACKOFF, sent_bps, now)
        if arriving < COLLAPSE * remb_bps:
            self._collapse(now)
        elif self._idles(sent_bps, now):
            # Less was sent than we may: a burst, or a queue that the next report will show.
            self._hold_until = max(self._hold_until, now + HOLD_S)
            return
        self._cut(min(remb_bps, BACKOFF * arriving), now)

    def _idles(self, sent_bps: float, now: float) -> bool:
        """Whether the picture needs less than it may have, and no fall is the reason for that."""
        settled = now - self._cut_at > 2 * HOLD_S and self._queue.share == 1
        return settled and sent_bps < FILLED * self._target

    def _collapse(self, now: float) -> None:
        if now - self._collapsed_at > PAUSE_S + DRAIN_S:
            self._collapsed_at = now

    def _cut(self, bps: float, now: float, full_bps: float | None = None) -> None:
        """Fall to ``bps`` if that is less, remember where the network was full, and hold."""
        if bps < self._target:
            self._full.remember(full_bps or bps / BACKOFF, now)
            self._cut_at = now
            self._target = max(float(self._low), bps)
        self._hold_until = max(self._hold_until, now + HOLD_S)
        self._proven = self._target

    def _drains(self, now: float) -> bool:
        return now - self._collapsed_at < PAUSE_S + DRAIN_S

    def _may_grow(self, now: float) -> bool:
        if now < self._hold_until or now - self._fed_at > SILENCE_S:
            return False
        return self._sent.bps(now) >= FILLED * self._mean_target
