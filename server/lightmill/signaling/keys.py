"""Typed keys of what the application holds."""

from __future__ import annotations

import asyncio

from aiohttp import web

from lightmill.config import Config
from lightmill.presets.library import PresetLibrary
from lightmill.session.events import EventStream
from lightmill.session.host import SessionHost

CONFIG = web.AppKey("config", Config)
HOST: web.AppKey[SessionHost] = web.AppKey("host", SessionHost)
PRESETS = web.AppKey("presets", PresetLibrary)
STREAMS: web.AppKey[set[EventStream]] = web.AppKey("streams", set)
PREVIEWS: web.AppKey[set[asyncio.Task[None]]] = web.AppKey("previews", set)
