"""The chain that sessions start with when nobody names one."""

from __future__ import annotations

import logging

from lightmill.config import Config
from lightmill.errors import ConfigError, LightmillError
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.presets.library import PresetLibrary
from lightmill.session.fitting import fit
from lightmill.session.wish import ChainWish

logger = logging.getLogger(__name__)


def default_chain(config: Config, registry: PipelineRegistry) -> ChainWish | None:
    """CHAIN of ``session.default_preset``, read once; ``None`` without one.

    Raises:
        ConfigError: there is no such preset, or its pipeline cannot run here.

    """
    name = config.session.default_preset
    if not name:
        return None
    catalogue = [entry.describe() for entry in registry.entries()]
    try:
        document = PresetLibrary(config.presets).open(name, catalogue)
    except LightmillError as error:
        raise ConfigError(f"session.default_preset: {error}") from error
    fitted = fit(document, registry, config.session.max_stages)
    if "pipeline" not in fitted.chain:
        reasons = "; ".join(entry.reason for entry in fitted.left_out)
        raise ConfigError(f"session.default_preset: {name} cannot run here: {reasons}")
    for entry in fitted.left_out:
        logger.warning("session.default_preset: %s is left out: %s", entry.field, entry.reason)
    return ChainWish.model_validate(fitted.chain)
