"""A host for this process, with its plug-ins: the server opens one, and so does every worker."""

from __future__ import annotations

from lightmill.config import Config
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.pipelines.registry import registry as process_registry
from lightmill.plugins import load_plugins
from lightmill.session.local import HostListener, LocalSessionHost


def open_local_host(
    config: Config,
    *,
    registry: PipelineRegistry | None = None,
    listener: HostListener | None = None,
    index: int = 0,
) -> LocalSessionHost:
    """Open it; a given ``registry`` is taken as it is, without plug-ins.

    ``index`` numbers the processes of one server: each has a media port of its own.

    Raises:
        ConfigError: a configured device or pipeline is not there.

    """
    if registry is not None:
        return LocalSessionHost(config, registry, listener=listener, index=index)
    registry = process_registry()
    failed = load_plugins(registry, config.plugins.blocked).failed if config.plugins.enabled else []
    return LocalSessionHost(
        config,
        registry,
        failed_plugins=[failure.to_json() for failure in failed],
        listener=listener,
        index=index,
    )
