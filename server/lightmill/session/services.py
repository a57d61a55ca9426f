"""What every session of this process shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lightmill.config import Config
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors
from lightmill.media.threads import CodecThreads
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.session.udp_mux import UdpMux


@dataclass(frozen=True, slots=True)
class Services:
    """Owned and closed by the host."""

    config: Config
    registry: PipelineRegistry
    executors: DeviceExecutors
    components: ComponentStore
    codecs: CodecThreads
    device: torch.device
    udp: UdpMux
