"""How fast the frames of chunks leave, from when the chunks came: pure, seconds of one clock."""

from __future__ import annotations

from collections import deque

FIRST_FRAME_S = 1 / 30
"""Interval until two chunks have come."""
FRAME_LIMITS_S = (1 / 240, 1.0)
GAP_WINDOW = 16
"""Chunks over which the rate is averaged."""
STEP_GAPS, STEP_RATIO = 3, 0.25
"""So many gaps in a row that are this far off on one side mean another rate, not jitter."""
SLACK_WINDOW = 32
"""Chunks over which the delay is judged; the least slack of them but one is what counts."""
FIRST_SLACK = 4
"""Chunks before the delay is judged at all."""
MARGIN_FRAMES = 0.5
"""Slack to keep for the latest chunk, in frame intervals."""
GROW_S, SHRINK_S = 0.25, 2.0
"""Missing slack is made up within the first, spare slack given up within the second ..."""
MAX_CORRECTION = 0.05
"""... but frames never leave more than this much faster or slower than they come."""
PAUSE_S, PAUSE_CHUNKS = 1.0, 4
"""A gap above both is a pause: it says nothing about the rate or the jitter."""


class ChunkPace:
    """Measures chunks' rate and jitter and answers the time from one frame to the next.

    Slack is how long before it was needed a chunk came. Frames leave at the average rate of the
    chunks, a little slower while the latest chunks came too late (the delay grows), a little
    faster while even they came early (it shrinks).
    """

    def __init__(self) -> None:
        self.chunk = 1
        """Frames in the newest chunk."""
        self.frame_s: float | None = None
        """Average time for which one frame stands, as measured."""
        self._gaps: deque[tuple[float, int]] = deque(maxlen=GAP_WINDOW)
        self._slack: deque[float] = deque(maxlen=SLACK_WINDOW)
        self._shift_s = 0.0
        self._arrived_at: float | None = None

    def arrived(self, count: int, now: float, slack_s: float | None) -> bool:
        """Take a chunk of ``count`` frames, whose first would be played ``slack_s`` from now.

        Returns whether it continues the stream; ``False`` after a pause and at the start.
        """
        last, self._arrived_at = self._arrived_at, now
        self.chunk = count
        if last is None:
            return False
        gap_s = now - last
        expected_s = count * (self.frame_s or FIRST_FRAME_S)
        if gap_s > max(PAUSE_S, PAUSE_CHUNKS * expected_s):
            self._slack.clear()
            return False
        self._gaps.append((gap_s, count))
        self._estimate()
        if slack_s is not None and count > 1:
            self._slack.append(slack_s - self._shift_s)
        return True

    def moved(self, seconds: float) -> None:
        """Note that all later frames leave so much later (or earlier) than their rate says."""
        self._shift_s += seconds

    def restart(self) -> None:
        """Forget everything but what is needed to show the next chunk."""
        self._gaps.clear()
        self._slack.clear()
        self.frame_s = self._arrived_at = None

    def _estimate(self) -> None:
        if self.frame_s is not None and len(self._gaps) > STEP_GAPS:
            recent = list(self._gaps)[-STEP_GAPS:]
            ratios = [gap_s / count / self.frame_s for gap_s, count in recent]
            if min(ratios) > 1 + STEP_RATIO or max(ratios) < 1 - STEP_RATIO:
                self._gaps.clear()
                self._gaps.extend(recent)
        low, high = FRAME_LIMITS_S
        mean = sum(gap_s for gap_s, _ in self._gaps) / sum(count for _, count in self._gaps)
        self.frame_s = min(high, max(low, mean))

    @property
    def delay_needed_s(self) -> float | None:
        """How much later frames would have to leave (negative: could leave earlier)."""
        if len(self._slack) < FIRST_SLACK:
            return None
        least = sorted(self._slack)[len(self._slack) // SLACK_WINDOW]
        return MARGIN_FRAMES * (self.frame_s or FIRST_FRAME_S) - (least + self._shift_s)

    def step_s(self) -> float:
        """The time from the frame that leaves now to the next."""
        frame_s = self.frame_s or FIRST_FRAME_S
        needed_s = self.delay_needed_s
        if needed_s is None:
            return frame_s
        correction = needed_s / (GROW_S if needed_s > 0 else SHRINK_S)
        correction = min(MAX_CORRECTION, max(-MAX_CORRECTION, correction))
        return frame_s * (1 + correction)
