"""Blocking FFmpeg calls end when asked to, not at their timeout."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import av
import pytest
from av.error import FFmpegError

from lightmill.media.interrupt import Interrupt

LONG_S = 600.0


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_a_server_that_never_answers_is_left_at_once(scheme):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        interrupt, failed = Interrupt(), []
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/clip/x"

        def read():
            interrupt.adopt()
            try:
                av.open(url, timeout=LONG_S)
            except FFmpegError as error:
                failed.append(error)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        client, _ = server.accept()  # now it waits for an answer
        interrupt.set()
        thread.join(30)
        client.close()
        assert not thread.is_alive() and failed


def test_what_begins_after_the_interrupt_ends_too():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        interrupt = Interrupt()
        interrupt.set()

        def read():
            interrupt.adopt()
            with pytest.raises(FFmpegError):
                av.open(f"http://127.0.0.1:{server.getsockname()[1]}/x", timeout=LONG_S)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()


def test_other_threads_keep_their_clock(tmp_path):
    Interrupt().adopt()
    with pytest.raises(FFmpegError):
        av.open(str(tmp_path / "missing.mp4"), timeout=LONG_S)
    with closing(socket.create_server(("127.0.0.1", 0))) as server, pytest.raises(FFmpegError):
        av.open(f"http://127.0.0.1:{server.getsockname()[1]}/x", timeout=0.2)
