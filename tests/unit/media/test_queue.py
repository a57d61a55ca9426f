from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.errors import Closed
from lightmill.media.frames import MediaFrame
from lightmill.media.queue import FrameQueue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0.001, 0.2), st.booleans()), min_size=1, max_size=120),
)
def test_order_bound_and_freshness(input_size, events):
    clock = Clock()
    queue = FrameQueue(clock, max_age_s=0.05)
    queue.configure(input_size)
    taken = []
    put = 0
    for step, take in events:
        clock.now += step
        queue.put(MediaFrame(None, clock.now))
        put += 1
        newest = clock.now
        assert len(queue) <= max(2, 2 * input_size)
        if take and queue.ready(input_size):
            chunk = queue.take(input_size)
            assert len(chunk) == input_size
            assert clock.now - chunk[-1].arrival < 0.05 or chunk[-1].arrival == newest
            taken += chunk
    arrivals = [frame.arrival for frame in taken]
    assert arrivals == sorted(set(arrivals))
    counted = queue.statistics()
    assert counted.dropped + counted.delivered + counted.depth == counted.received == put


def test_a_slow_stage_sees_evenly_spaced_frames():
    clock = Clock()
    queue = FrameQueue(clock)
    queue.configure(4)
    for index in range(24):
        clock.now = index / 30
        queue.put(MediaFrame(None, clock.now))
    gaps = [
        round(b.arrival * 30 - a.arrival * 30)
        for a, b in zip(*[iter(queue.take(4))] * 2, strict=True)
    ]
    assert max(gaps) <= 9


async def test_waiting_ends_with_a_frame_or_the_end():
    queue = FrameQueue()
    waiting = asyncio.create_task(queue.wait(1))
    await asyncio.sleep(0)
    queue.put(MediaFrame(None, 0.0))
    await waiting
    waiting = asyncio.create_task(queue.wait(2))
    await asyncio.sleep(0)
    queue.close()
    queue.close()
    with pytest.raises(Closed):
        await waiting
