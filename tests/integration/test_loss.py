"""Packets get lost in both directions: pictures stay whole, the stream goes on."""

from __future__ import annotations

import asyncio
import itertools
from time import monotonic

import numpy as np

from tests.integration.peers import NumberedTrack, numbered_picture, read_number


def connection_of(client):
    return client.pc.getTransceivers()[0].receiver.transport.transport._connection


def lossy(client, *, incoming=(), outgoing=()) -> None:
    """Drop RTP by repeating patterns of ``True`` (lost) and ``False``."""
    connection = connection_of(client)
    passed_on, sent = connection.data_received, connection.send
    received_losses, sent_losses = (
        itertools.cycle(incoming or [False]),
        itertools.cycle(outgoing or [False]),
    )

    def is_rtp(data: bytes) -> bool:
        return 127 < data[0] < 192 and not 192 <= data[1] <= 208

    def receive(data, component):
        if not (is_rtp(data) and next(received_losses)):
            passed_on(data, component)

    async def send(data):
        if not (is_rtp(data) and next(sent_losses)):
            await sent(data)

    connection.data_received = receive
    client.pc.getTransceivers()[0].receiver.transport.transport._send = send


async def test_lost_packets_of_the_publisher_are_sent_again(http, peer):
    """Every 19th packet of a picture of several packets is lost, and none is corrupt."""
    camera = NumberedTrack(width=640, height=480)
    client = await peer(http).offer(camera, pipeline="passthrough")
    await client.watcher_ready()
    await client.watcher.frames(10)
    lossy(client, outgoing=[False] * 18 + [True])
    started, first = monotonic(), client.watcher.n_frames
    await client.watcher.frames(60)
    numbers = [number for _, number in client.watcher.seen[first:]]
    assert numbers == sorted(numbers)
    assert monotonic() - started < 4
    last = client.watcher.last
    expected = numbered_picture(read_number(last), 640, 480)
    assert np.abs(last.to_ndarray(format="rgb24").astype(int) - expected).mean() < 12


async def test_a_viewer_gets_lost_packets_again(http, peer):
    client = await peer(http).offer(NumberedTrack(width=640, height=480), pipeline="passthrough")
    await client.watcher_ready()
    await client.watcher.frames(10)
    lossy(client, incoming=[False] * 18 + [True])
    first = client.watcher.n_frames
    await client.watcher.frames(60)
    numbers = [number for _, number in client.watcher.seen[first:]]
    assert numbers == sorted(numbers)


async def test_after_a_long_outage_the_picture_comes_back(http, peer):
    client = await peer(http).offer(NumberedTrack(), pipeline="passthrough")
    await client.watcher_ready()
    await client.watcher.frames(10)
    transport = client.pc.getTransceivers()[0].receiver.transport.transport
    send = transport._send
    lossy(client, outgoing=[True])
    await asyncio.sleep(1)
    transport._send = send
    resumed = monotonic()
    first = client.watcher.n_frames
    await client.watcher.until(lambda watcher: watcher.n_frames > first + 10)
    numbers = [number for _, number in client.watcher.seen[first:]]
    assert numbers == sorted(numbers)
    assert monotonic() - resumed < 3
