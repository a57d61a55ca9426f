"""The sound that a pipeline makes: encoded beside the loop, due when its frames are."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic

from lightmill.media.audio import SAMPLE_RATE_HZ, AudioDelay, OpusPacket
from lightmill.media.opus import PACKET_S, Sound, SoundEncoder
from lightmill.media.threads import CodecThreads
from lightmill.metrics import Throttle

logger = logging.getLogger(__name__)

SOUNDS = 4
"""Chunks of sound that wait for their encoder; then the oldest goes."""
LINGER_S = 2.0
"""Sound counts as ended this long after its last."""
SEAM_S = 0.04
"""A chunk's sound that begins this far from the end of the last one does not continue it."""
PULL = 0.3
"""Share of a smaller difference that each chunk corrects."""


class PipelineVoice:
    """Encodes chunks of sound in order into ``line``, which paces them.

    ``on_packets`` is called when some have been added. With `SOUNDS` waiting the oldest is dropped.
    All methods belong to the loop's thread.
    """

    def __init__(
        self, threads: CodecThreads, bitrate_bps: int, on_packets: Callable[[], None]
    ) -> None:
        self.line = AudioDelay(paced=True)
        self._threads = threads
        self._encoder = SoundEncoder(bitrate_bps)
        self._on_packets = on_packets
        self._loop = asyncio.get_running_loop()
        self._playing: Sound | None = None
        self._ends_at: float | None = None
        self._waiting: deque[tuple[Sound, float]] = deque(maxlen=SOUNDS)
        self._busy = False
        self._closed = False
        self._next_s = 0.0
        self._n_packets = 0
        self._throttle = Throttle()

    def sounds(self, now: float) -> bool:
        return self._ends_at is not None and now < self._ends_at + LINGER_S

    def play(self, sound: Sound, at_s: float, now: float) -> None:
        """Play ``sound`` from ``at_s`` on; frames that belong to what plays already add nothing."""
        if sound is self._playing:
            return
        self._playing = sound
        self._ends_at = now + sound.duration_s - at_s
        self._waiting.append((sound.after(at_s) if at_s else sound, now))
        self._next()

    def _next(self) -> None:
        if self._waiting and not self._busy and not self._closed:
            self._busy = True
            sound, start = self._waiting.popleft()
            self._join(start)
            self._threads.submit(partial(self._work, sound))

    def _join(self, start: float) -> None:
        """Let the next sound begin at ``start``: as the continuation of the last when it is one."""
        late = start - (self._next_s + self._encoder.waiting_s)
        if abs(late) <= SEAM_S:
            self._next_s += PULL * late
            return
        self._encoder.reset()
        self.line.restart()
        self._next_s = start

    def _work(self, sound: Sound) -> None:
        """In a codec thread."""
        result: list[bytes] | Exception
        try:
            result = self._encoder.encode(sound)
        except Exception as error:  # a codec's failure leaves out one sound
            result = error
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, result)

    def _done(self, result: list[bytes] | Exception) -> None:
        self._busy = False
        if self._closed:
            return
        if isinstance(result, Exception):
            self._encoder.reset()
            if self._throttle.ready(monotonic()):
                logger.warning("the pipeline's sound is left out: %s", result)
        else:
            for payload in result:
                self._push(payload)
            self._on_packets()
        self._next()

    def _push(self, payload: bytes) -> None:
        number = self._n_packets
        self._n_packets += 1
        timestamp = round(number * PACKET_S * SAMPLE_RATE_HZ)
        self.line.push(OpusPacket(payload, timestamp, self._next_s, number))
        self._next_s += PACKET_S

    def close(self) -> None:
        """Forget what waits; what is being encoded leads nowhere. Idempotent."""
        self._closed = True
        self._waiting.clear()
