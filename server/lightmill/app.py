"""The composition root: the only file that knows every room."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import SecretStr

from lightmill.config import Config, SourcesConfig
from lightmill.errors import ConfigError, InvalidInput
from lightmill.session.host import SessionHost, SessionRequest, SourceRequest
from lightmill.session.workers.host import WorkerSessionHost
from lightmill.signaling import (
    events,
    health,
    offer,
    pages,
    pipelines,
    presets,
    preview,
    recordings,
    sessions,
    sinks,
    source,
    whep,
    whip,
)
from lightmill.signaling.auth import authorised
from lightmill.signaling.keys import CONFIG, HOST
from lightmill.signaling.middleware import cors, errors_as_json, is_loopback, mark
from lightmill.static_root import static_root

if TYPE_CHECKING:
    from lightmill.pipelines.registry import PipelineRegistry

logger = logging.getLogger(__name__)


def create_app(
    config: Config, *, host: SessionHost | None = None, registry: PipelineRegistry | None = None
) -> web.Application:
    """Wire the server. ``registry`` is taken as it is; by default plug-ins are loaded into it.

    With ``server.workers`` the sessions' processes load pipelines and plug-ins, and this one none.

    Raises:
        ConfigError: a configured device or pipeline is not there.

    """
    app = web.Application(
        middlewares=[cors, errors_as_json, authorised],
        client_max_size=config.server.max_body_bytes,
    )
    app[CONFIG] = config
    app[HOST] = host if host is not None else _host(config, registry)
    app.cleanup_ctx.append(_host_context)
    app.on_response_prepare.append(mark)
    rooms = (offer, whip, whep, sessions, source, preview, recordings, sinks, presets)
    for room in (*rooms, events, pipelines, health):
        room.register(app)
    pages.register(app, static_root())
    return app


def _host(config: Config, registry: PipelineRegistry | None) -> SessionHost:
    if config.server.workers:
        return WorkerSessionHost(config)
    from lightmill.session.opening import open_local_host  # noqa: PLC0415  torch loads slowly

    return open_local_host(config, registry=registry)


async def _host_context(app: web.Application) -> AsyncIterator[None]:
    try:
        await app[HOST].start()
        await _open_source(app[CONFIG].sources, app[HOST])
        yield
    finally:
        await app[HOST].aclose()


async def _open_source(config: SourcesConfig, host: SessionHost) -> None:
    """Open the session of `sources.url`. Raises `ConfigError` when it cannot be read by its name."""
    if config.url is None:
        return
    wish = SourceRequest(config.url, config.loop, trusted=True)
    try:
        await host.create_session(SessionRequest(name=config.session, source=wish))
    except InvalidInput as error:
        raise ConfigError(f"sources.{error}") from error


async def serve(config: Config, on_ready: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM; ``on_ready`` gets the URL to open.

    Raises:
        ConfigError: the address, a configured device or pipeline cannot be used.

    """
    config = _with_token(config)
    runner = web.AppRunner(
        create_app(config), access_log=None, shutdown_timeout=config.server.shutdown_timeout_s
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.server.host, config.server.port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(_unusable(config, error)) from error
        on_ready(_url(config, runner))
        await stop.wait()
    finally:
        await runner.cleanup()


def _with_token(config: Config) -> Config:
    """Nobody else's network without a token: make one when the address is not loopback."""
    if config.server.token is not None or is_loopback(config.server.host):
        return config
    logger.warning("server.token is not set; a random one is used until the server stops")
    token = SecretStr(secrets.token_urlsafe(16))
    server = config.server.model_copy(update={"token": token})
    return config.model_copy(update={"server": server})


def _unusable(config: Config, error: OSError) -> str:
    address = f"{config.server.host}:{config.server.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is taken by another program; stop it or choose --port"
    return f"cannot listen on {address}: {error.strerror}; check server.host and server.port"


def _url(config: Config, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    host = config.server.host
    name = "localhost" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    query = f"/?token={config.server.token.get_secret_value()}" if config.server.token else ""
    return f"http://{name}:{port}{query}"
