"""A small RTSP camera (RFC 2326): one H.264 stream, RTP interleaved in the TCP connection."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from pathlib import Path

import av

from lightmill.media.payload import Packetiser, split_annex_b

PAYLOAD_TYPE = 96
CLOCK = 90_000
SPS, PPS = 7, 8


class Camera:
    """Plays a clip again and again, in real time, to whoever connects; `drop` cuts everybody off."""

    def __init__(self, clip: Path, fps: int) -> None:
        self.url = ""
        self.n_players = 0
        self._fps = fps
        self._units = encoded(clip)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Camera:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"rtsp://me:secret@127.0.0.1:{port}/camera"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                if (await reader.readexactly(1)) == b"$":  # the player's RTCP
                    _, size = struct.unpack("!BH", await reader.readexactly(3))
                    await reader.readexactly(size)
                    continue
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        sequence = re.search(r"CSeq: *(\d+)", head, re.IGNORECASE)
        assert sequence is not None
        lines, body = [f"CSeq: {sequence[1]}", "Session: 1"], ""
        if head.startswith("PTIONS"):  # its first byte has been read
            lines.append("Public: DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif head.startswith("ESCRIBE"):
            body = self._describe()
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif head.startswith("ETUP"):
            lines.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        writer.write(("\r\n".join(["RTSP/1.0 200 OK", *lines, "", ""]) + body).encode())
        if head.startswith("LAY"):
            task = asyncio.create_task(self._play(writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _describe(self) -> str:
        units = split_annex_b(self._units[0])
        sets = [base64.b64encode(unit).decode() for unit in units if unit[0] & 31 in (SPS, PPS)]
        return "\r\n".join(
            [
                "v=0",
                "o=- 0 0 IN IP4 127.0.0.1",
                "s=camera",
                "t=0 0",
                f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
                f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK}",
                f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={','.join(sets)}",
                "a=control:track0",
                "",
            ]
        )

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        self.n_players += 1
        packetiser, sequence, number = Packetiser("H264"), 0, 0
        loop = asyncio.get_running_loop()
        started = loop.time()
        while not writer.is_closing():
            payloads = packetiser.pack(self._units[number % len(self._units)])
            for index, payload in enumerate(payloads):
                marker = 0x80 if index == len(payloads) - 1 else 0
                timestamp = number * CLOCK // self._fps
                header = struct.pack(
                    "!BBHLL", 0x80, marker | PAYLOAD_TYPE, sequence % 65536, timestamp, 1
                )
                sequence += 1
                packet = header + payload
                writer.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
            number += 1
            await asyncio.sleep(started + number / self._fps - loop.time())


def encoded(clip: Path) -> list[bytes]:
    """The access units of a raw H.264 stream."""
    with av.open(str(clip), format="h264") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]
