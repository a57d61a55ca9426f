"""The places that a single-shot detector looks at, from its input size and its strides.

Liu et al., SSD (2016); the detectors here put all their anchors of a cell at its centre and give
them the size of the whole picture, so that only centres remain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ANCHORS_PER_LAYER = 2
"""Of the detectors with several layers: the layer's own scale, and the mean with the next one's."""


def anchor_centres(
    input_px: int, strides: Sequence[int], per_layer: int = ANCHORS_PER_LAYER
) -> np.ndarray:
    """Centres ``(N, 2)`` as x, y in [0, 1], in the order of the network's outputs.

    Layers of equal stride that follow each other share a grid: their anchors stand together, cell
    by cell.
    """
    grids: list[np.ndarray] = []
    for stride in dict.fromkeys(strides):
        side = -(-input_px // stride)
        line = (np.arange(side, dtype=np.float32) + 0.5) / side
        y, x = np.meshgrid(line, line, indexing="ij")
        cells = np.stack((x, y), axis=-1).reshape(-1, 2)  # (side * side, 2)
        grids.append(np.repeat(cells, per_layer * list(strides).count(stride), axis=0))
    return np.concatenate(grids)
