"""A deterministic network: one bottleneck, a video sender, a receiver with NACK, PLI and RTCP.

Times are seconds since the start. The receiver's own estimator is aiortc's (the real one), the
same with libwebrtc's rule for over-use, or ours; the sender is ours or one that obeys REMB.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

from aiortc.rate import AimdRateControl, BandwidthUsage, RemoteBitrateEstimator

from lightmill.config import MediaConfig
from lightmill.media.congestion.bandwidth import ReceiveEstimator
from lightmill.media.congestion.budget import FrameBudget
from lightmill.media.congestion.ladder import Ladder
from lightmill.media.congestion.rates import ViewerRate

PACKET_BYTES = 1200
FPS = 30


class Timeline:
    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until


@dataclass
class Packet:
    size: int
    sent_at: float
    frame: int = -1
    seq: int = -1
    of: int = 1
    key: bool = False
    depends: int = -1
    report: bool = False


class Link:
    """Drop-tail queue of ``queue_bytes`` before a wire of ``rate_bps``; then loss and delay."""

    def __init__(
        self,
        time: Timeline,
        rate_bps: float,
        queue_bytes: int,
        delay_s: float,
        loss: float,
        seed: int,
    ) -> None:
        self.rate_bps, self.loss = rate_bps, loss
        self.dropped = 0
        self.most_queue_s = 0.0
        self._time, self._queue_bytes, self._delay_s = time, queue_bytes, delay_s
        self._random = random.Random(seed)
        self._queue: deque[Packet] = deque()
        self._queued = 0
        self._busy = False
        self.deliver: Callable[[Packet], None] = lambda packet: None

    def send(self, packet: Packet) -> None:
        if self._queued + packet.size > self._queue_bytes:
            self.dropped += 1
            return
        self._queue.append(packet)
        self._queued += packet.size
        self.most_queue_s = max(self.most_queue_s, self._queued * 8 / self.rate_bps)
        if not self._busy:
            self._serve()

    def _serve(self) -> None:
        if not self._queue:
            self._busy = False
            return
        self._busy = True
        packet = self._queue.popleft()
        done = self._time.now + packet.size * 8 / self.rate_bps

        def served() -> None:
            self._queued -= packet.size
            if packet.report or self._random.random() >= self.loss:
                self._time.at(self._time.now + self._delay_s, lambda: self.deliver(packet))
            self._serve()

        self._time.at(done, served)


class _ChromeControl(AimdRateControl):
    """libwebrtc's rule: over-use never raises an estimate."""

    def update(self, usage: BandwidthUsage, throughput: int | None, now_ms: int) -> int | None:
        before, known = self.current_bitrate, self.current_bitrate_initialized
        result = super().update(usage, throughput, now_ms)
        if known and usage == BandwidthUsage.OVERUSING and result is not None and result > before:
            self.current_bitrate = result = before
        return result


class Estimator:
    """REMB by aiortc, by libwebrtc's rules (throttled as its sender does it), or by us."""

    def __init__(self, kind: str, config: MediaConfig) -> None:
        self.kind = kind
        self._ours = ReceiveEstimator(config)
        self._theirs = RemoteBitrateEstimator()
        if kind == "chrome":
            self._theirs.rate_control = _ChromeControl()
        self._last: tuple[int, float] | None = None

    def add(self, packet: Packet, now: float) -> int | None:
        stamp = round(packet.sent_at * (1 << 18)) & 0xFFFFFF
        if self.kind == "none":
            return None
        if self.kind == "ours":
            self._ours.on_packet(now, packet.size, packet.frame * 3000, stamp)
            return self._ours.remb(now)
        remb = self._theirs.add(round(now * 1000), stamp, packet.size, 1)
        if remb is None or self.kind == "aiortc":
            return None if remb is None else remb[0]
        bps = remb[0]
        if self._last and bps > 0.97 * self._last[0] and now - self._last[1] < 0.2:
            return None
        self._last = bps, now
        return bps


@dataclass
class _Assembly:
    of: int
    key: bool
    depends: int
    got: set[int] = field(default_factory=set)


class Receiver:
    """Decodes frames in order, asks again for lost packets, and for a keyframe when that fails."""

    PATIENCE_S = 0.25

    def __init__(self, time: Timeline, estimator: Estimator, back_s: float, seed: int) -> None:
        self.shown: list[float] = []
        self.rembs: list[tuple[float, int]] = []
        self.bytes_at: list[tuple[float, int]] = []
        self._time, self._estimator, self._back_s = time, estimator, back_s
        self._frames: dict[int, _Assembly] = {}
        self._next = 0
        self._highest, self._got_since, self._base = -1, 0, -1
        self._missing: dict[int, tuple[float, int]] = {}
        self._blocked_since: float | None = None
        self._keyframe_asked = float("-inf")
        self._random = random.Random(seed)
        self._sr: tuple[float, float] | None = None
        self.sender: Sender

    def start(self) -> None:
        self._time.at(1.0, self._report)
        self._time.at(0.02, self._tick)

    def receive(self, packet: Packet) -> None:
        now = self._time.now
        if packet.report:
            self._sr = packet.sent_at, now
            return
        self.bytes_at.append((now, packet.size))
        remb = self._estimator.add(packet, now)
        if remb is not None:
            self.rembs.append((now, remb))
            self._back(lambda: self.sender.on_remb(remb))
            if self._estimator.kind == "chrome":  # libwebrtc's packets are compound ones
                self._report_now()
        for lost in range(self._highest + 1, packet.seq):
            self._missing[lost] = (now, 0)
        if packet.seq > self._highest:
            self._highest = packet.seq
            self._got_since += 1
        else:
            self._missing.pop(packet.seq, None)
        if packet.frame >= self._next:
            entry = self._frames.setdefault(
                packet.frame, _Assembly(packet.of, packet.key, packet.depends)
            )
            entry.got.add(packet.seq)
            self._decode()

    def _decode(self) -> None:
        progress = True
        while progress:
            progress = False
            for number in sorted(self._frames):
                entry = self._frames[number]
                if len(entry.got) < entry.of or number < self._next:
                    continue
                if entry.key or entry.depends == self._next - 1:
                    self.shown.append(self._time.now)
                    self._next = number + 1
                    self._blocked_since = None
                    self._frames = {n: e for n, e in self._frames.items() if n > number}
                    progress = True
                    break

    def _tick(self) -> None:
        now = self._time.now
        again = [s for s, (asked, n) in self._missing.items() if now >= asked and n < 6]
        for seq in again:
            self._missing[seq] = (now + 2 * self._back_s + 0.03, self._missing[seq][1] + 1)
        gone = [s for s, (_, n) in self._missing.items() if n >= 6]
        for seq in gone:
            del self._missing[seq]
        if again:
            self._back(lambda: self.sender.on_nack(again))
        if self._frames and self._blocked_since is None:
            self._blocked_since = now
        if (
            self._blocked_since is not None
            and now - self._blocked_since > self.PATIENCE_S
            and now - self._keyframe_asked > 0.5
        ):
            self._keyframe_asked = now
            self._back(self.sender.on_keyframe)
        self._time.at(now + 0.02, self._tick)

    def _report(self) -> None:
        self._report_now()
        # RTCP varies its interval by half (RFC 3550 section 6.3).
        self._time.at(self._time.now + self._random.uniform(0.5, 1.5), self._report)

    def _report_now(self) -> None:
        now = self._time.now
        expected = self._highest - self._base
        loss = max(0.0, 1 - self._got_since / expected) if expected > 0 else 0.0
        self._base, self._got_since = self._highest, 0
        sr = self._sr
        highest = self._highest
        self._back(lambda: self.sender.on_report(loss, sr and sr[0], sr and now - sr[1], highest))

    def _back(self, what: Callable[[], None]) -> None:
        self._time.at(self._time.now + self._back_s, what)


class Sender:
    """Frames of target / fps bytes, paced over their interval. ``obeys`` REMB, or is ours."""

    def __init__(
        self,
        time: Timeline,
        link: Link,
        config: MediaConfig,
        seed: int,
        obeys: bool,
        need_bps: float,
    ) -> None:
        self.rate = ViewerRate(config, 0.0)
        self.targets: list[tuple[float, int]] = []
        self.sizes: list[tuple[float, int, int]] = []
        self.sent_at: list[tuple[float, int]] = []
        self.rtts: list[tuple[float, float]] = []
        self.need_bps = need_bps
        self._obeyed = float(config.start_bitrate_bps)
        self._obeys = obeys
        self._time, self._link, self._config = time, link, config
        self._random = random.Random(seed)
        self._budget, self._ladder = FrameBudget(), Ladder()
        self._frame, self._seq, self._previous = 0, 0, -1
        self._height = 0
        self._key_wanted, self._key_at = True, float("-inf")
        self._key_frame = 0
        self._history: dict[int, Packet] = {}

    def start(self) -> None:
        self._time.at(0.0, self._tick)
        self._time.at(0.1, self._sender_report)

    def on_remb(self, bps: int) -> None:
        self.rate.on_remb(bps, self._time.now)
        self._obeyed = float(bps)

    def on_report(self, loss: float, sent: float | None, held: float | None, highest: int) -> None:
        now = self._time.now
        rtt = None if sent is None or held is None else now - sent - held
        if rtt is not None:
            self.rtts.append((now, rtt))
        self.rate.on_report(loss, rtt, now, highest)

    def on_nack(self, seqs: list[int]) -> None:
        for seq in seqs:
            packet = self._history.get(seq)
            now = self._time.now
            if packet is None or now - packet.sent_at > 1.0 or packet.frame < self._key_frame:
                continue
            if self.rate.may_repeat(seq & 0xFFFF, packet.size, now):
                self._put(Packet(**{**packet.__dict__, "sent_at": now}))

    def on_keyframe(self) -> None:
        self._key_wanted = True

    def _tick(self) -> None:
        now = self._time.now
        self._time.at(now + 1 / FPS, self._tick)
        target = round(self._obeyed) if self._obeys else self.rate.target_bps(now)
        self.targets.append((now, target))
        rung = self._ladder.update(target, 1280, 720, FPS, now)
        height = rung.height
        pace = target if self._obeys else self.rate.pace_bps(now)
        if not self._budget.admit(pace, now):
            return
        wait = 1.5 if self._obeys or self.rate.draining(now) else 0.5
        key = height != self._height or (self._key_wanted and now - self._key_at >= wait)
        self._height = height
        if key:
            self._key_wanted, self._key_at, self._key_frame = False, now, self._frame
        size = min(target, self.need_bps) / FPS / 8 * self._random.uniform(0.8, 1.2)
        if key:
            size = max(4 * size, height * height / 15)
        self.sizes.append((now, height, round(size)))
        self._budget.spend(round(size))
        n = max(1, -(-round(size) // PACKET_BYTES))
        for index in range(n):
            packet = Packet(
                max(60, round(size / n)), 0.0, self._frame, self._seq, n, key, self._previous
            )
            self._seq += 1
            at = now + index / n * 0.7 / FPS

            def leave(packet: Packet = packet) -> None:
                packet.sent_at = self._time.now
                self._history[packet.seq] = packet
                self._history.pop(packet.seq - 2000, None)
                self._send(packet)

            self._time.at(at, leave)
        self._previous = self._frame
        self._frame += 1

    def _send(self, packet: Packet) -> None:
        self.rate.on_sent(packet.seq & 0xFFFF, packet.size, self._time.now)
        self._put(packet)

    def _put(self, packet: Packet) -> None:
        self.sent_at.append((self._time.now, packet.size))
        self._link.send(packet)

    def _sender_report(self) -> None:
        self._time.at(self._time.now + 1.0, self._sender_report)
        self._link.send(Packet(80, self._time.now, report=True))


class World:
    """Everything together; change ``link`` between calls of `run`."""

    def __init__(
        self,
        estimator: str = "aiortc",
        *,
        rate_bps: float = 4e6,
        queue_bytes: int = 64_000,
        rtt_s: float = 0.04,
        loss: float = 0.0,
        seed: int = 1,
        obeys: bool = False,
        need_bps: float = 1e9,
        config: MediaConfig | None = None,
    ) -> None:
        config = config or MediaConfig()
        self.time = Timeline()
        self.link = Link(self.time, rate_bps, queue_bytes, rtt_s / 2, loss, seed)
        self.sender = Sender(self.time, self.link, config, seed + 1, obeys, need_bps)
        self.receiver = Receiver(self.time, Estimator(estimator, config), rtt_s / 2, seed + 2)
        self.receiver.sender = self.sender
        self.link.deliver = self.receiver.receive
        self.sender.start()
        self.receiver.start()

    def run(self, seconds: float) -> None:
        self.time.run(self.time.now + seconds)

    def sent_bps(self, start: float, end: float) -> float:
        return sum(s for t, s in self.sender.sent_at if start <= t < end) * 8 / (end - start)

    def received_bps(self, start: float, end: float) -> float:
        return sum(s for t, s in self.receiver.bytes_at if start <= t < end) * 8 / (end - start)

    def longest_gap_s(self, start: float, end: float) -> float:
        times = [t for t in self.receiver.shown if start - 0.5 <= t <= end]
        return max(b - a for a, b in pairwise([*times, end]))

    def fps(self, start: float, end: float) -> float:
        return sum(start <= t < end for t in self.receiver.shown) / (end - start)

    def reaches_s(self, bps: float, since: float, window_s: float = 1.0) -> float | None:
        """Seconds from ``since`` until a window brought that much for the first time."""
        at = since
        while at + window_s <= self.time.now:
            if self.received_bps(at, at + window_s) >= bps:
                return at + window_s - since
            at += 0.25
        return None
