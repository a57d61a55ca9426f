"""Typed keys of what the application holds."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from lightmill.config import Config
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.session.host import SessionHost

CONFIG = web.AppKey("config", Config)
HOST: web.AppKey[SessionHost] = web.AppKey("host", SessionHost)
REGISTRY = web.AppKey("registry", PipelineRegistry)
FAILED_PLUGINS: web.AppKey[list[dict[str, Any]]] = web.AppKey("failed_plugins", list)
