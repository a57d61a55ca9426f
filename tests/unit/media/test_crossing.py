from __future__ import annotations

import asyncio

import av

from lightmill.media.crossing import MAX_PACKETS, Crossing


async def test_the_newest_picture_wins_and_the_others_are_counted():
    frames, sounds, taken = [], [], asyncio.Event()

    def take(frame):
        frames.append(frame)
        taken.set()

    crossing = Crossing(take, lambda *packet: sounds.append(packet))
    made = [av.VideoFrame(16, 16, "yuv420p") for _ in range(5)]

    def produce():
        for frame in made:
            crossing.put_frame(frame)
        for number in range(MAX_PACKETS + 10):
            crossing.put_sound(b"", float(number), 0.0)

    produce()  # the loop does not run meanwhile
    await asyncio.wait_for(taken.wait(), 10)
    assert frames == made[-1:] and crossing.dropped == 4
    assert [packet[1] for packet in sounds] == [float(n) for n in range(10, MAX_PACKETS + 10)]


async def test_from_another_thread():
    frames, taken = [], asyncio.Event()

    def take(frame):
        frames.append(frame)
        taken.set()

    crossing = Crossing(take, lambda *_: None)
    for _ in range(3):
        taken.clear()
        await asyncio.to_thread(crossing.put_frame, av.VideoFrame(16, 16, "yuv420p"))
        await asyncio.wait_for(taken.wait(), 10)
    assert len(frames) == 3 and not crossing.dropped
