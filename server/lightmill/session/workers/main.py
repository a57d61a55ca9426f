"""A worker: ``python -m lightmill.session.workers.main FD INDEX``, started by its front process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from threading import Timer
from typing import TYPE_CHECKING

from lightmill.config import Config, config_from_json
from lightmill.errors import ConfigError
from lightmill.logs import configure_logging
from lightmill.session.workers.service import FrontVoice, WorkerService
from lightmill.session.workers.wire import read_frame

if TYPE_CHECKING:
    from lightmill.session.local import LocalSessionHost

logger = logging.getLogger(__name__)

LAST_RESORT_S = 2.0
"""After ``server.shutdown_timeout_s``, the process ends whatever still runs."""


async def work(connection: socket.socket, index: int) -> None:
    """Serve sessions until SIGTERM or until the front process is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    start = await read_frame(reader)
    if start is None:
        return
    config = config_from_json(start.message["args"]["config"])
    configure_logging(config.log.level, f"worker {index}")
    voice = FrontVoice(writer)
    try:
        host = _open(config, voice, index)
        await host.start()
    except ConfigError as error:
        voice.say({"event": "refused", "message": str(error)})
        await voice.drain()
        writer.close()
        return
    catalogue = host.catalogue()
    voice.say(
        {
            "event": "ready",
            "pipelines": catalogue.pipelines,
            "failed_plugins": catalogue.failed_plugins,
        }
    )
    service = asyncio.create_task(WorkerService(host, voice).run(reader))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.cancel)
    await asyncio.wait([service])
    _end_surely(config.server.shutdown_timeout_s + LAST_RESORT_S)
    await host.aclose()
    await voice.drain()
    writer.close()
    if not service.cancelled():
        service.result()


def _open(config: Config, voice: FrontVoice, index: int) -> LocalSessionHost:
    from lightmill.session.opening import open_local_host  # noqa: PLC0415  torch, in workers only

    return open_local_host(config, listener=voice, index=index)


def _end_surely(after_s: float) -> None:
    """A pipeline that never returns must not leave a process without its front behind."""
    last_resort = Timer(after_s, os._exit, (1,))
    last_resort.daemon = True
    last_resort.start()


def main() -> None:
    """Take over the socket and work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the front process decides
    fd, index = (int(argument) for argument in sys.argv[1:])
    os.set_inheritable(fd, False)
    asyncio.run(work(socket.socket(fileno=fd), index))


if __name__ == "__main__":
    main()
