"""Anime4K's networks that double a picture, from the weights in the npm package @websr/websr.

Published as shaders by bloc97 (github.com/bloc97/Anime4K, MIT). Each layer has four channels; the
next sees what is positive and what is negative of them as eight. The last gives four values for
each pixel, one for each of the four that it becomes, which are added to the linear enlargement.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

CHANNELS = 4
"""Of each layer, and of each 4x4 matrix in the file."""
RGB = 3
TAPS = 9
"""Of a 3x3 kernel; the file has them column by column."""


class Doubler(nn.Module):
    """3x3 convolutions in a row; the medium size ends with a 1x1 that sees all of them."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        super().__init__()
        deep = [layer for layer in layers if len(layer["inputs"]) == 1]
        wide = [layer for layer in layers if len(layer["inputs"]) > 1]
        self._deep = nn.ModuleList(_convolution([layer], TAPS) for layer in deep)
        self._last = _convolution(wide, 1) if wide else None

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """``(1, 3, H, W)`` in [0, 1] to what is added to the double size, ``(1, C, 2H, 2W)``.

        ``C`` is 3, or 1 for what red, green and blue get alike.
        """
        hidden, made = rgb, rgb
        seen: list[torch.Tensor] = []
        for layer in self._deep:
            made = layer(functional.pad(hidden, (1, 1, 1, 1), mode="replicate"))
            hidden = torch.cat([made, -made], dim=1).relu_()
            seen.append(hidden)
        if self._last is not None:
            made = self._last(torch.cat(seen, dim=1))
        return functional.pixel_shuffle(made, 2)


def load(path: Path, device: torch.device) -> Doubler:
    """Read one of the package's ``cnn-2x-*.json``.

    Raises:
        ValueError: the numbers do not make the layers that the file names.

    """
    content = cast("dict[str, Any]", json.loads(path.read_text()))
    layers = [layer for layer in content["layers"].values() if layer["type"] == "conv"]
    network = Doubler(layers).requires_grad_(False).eval().to(device)
    for parameter in network.parameters():  # a picture's channels lie side by side
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _convolution(layers: list[dict[str, Any]], taps: int) -> nn.Conv2d:
    """One convolution for layers that have the same inputs: their outputs one after the other.

    The file has matrices of four inputs by four outputs. Those of a 3x3 kernel go by inputs,
    then x, then y; the first layer's fourth input is alpha, which it ignores (its weights are 0).
    """
    weights: list[torch.Tensor] = []
    for layer in layers:
        numbers = torch.tensor(layer["weights"], dtype=torch.float32)
        side = 3 if taps == TAPS else 1
        matrices = numbers.reshape(-1, side, side, CHANNELS, CHANNELS)  # (group, x, y, in, out)
        kernel = matrices.permute(4, 0, 3, 2, 1)  # (out, group, in, y, x)
        weights.append(kernel.reshape(CHANNELS, -1, side, side))
    weight = torch.cat(weights)
    if weight.shape[1] == CHANNELS:
        weight = weight[:, :RGB]
    made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    bias = torch.tensor([number for layer in layers for number in layer["bias"]])
    made.load_state_dict({"weight": weight.contiguous(), "bias": bias})
    return made
