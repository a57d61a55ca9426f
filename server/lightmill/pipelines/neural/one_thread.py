"""Torch with one thread, for networks on the CPU.

By itself torch spreads each convolution over all cores and waits for them turning in circles: on a
machine whose cores have other sessions' work, one small convolution then costs ten times the CPU
time (measured: 1.3 ms against 14 ms). The number is the calling thread's own, and is put back.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Generator[None]:
    """Let torch use the calling thread alone inside."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
