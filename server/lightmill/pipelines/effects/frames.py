"""What effects on single pictures share: the way from tensors to arrays and back, and the restart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lightmill.pipelines.contract import Pipeline, Requirements
from lightmill.pipelines.opencv import Picture
from lightmill.planes import Matrix, YuvPlanes

HEX_COLOUR = r"^#[0-9a-fA-F]{6}$"
"""The pattern of a colour setting, as HTML writes it."""

Settings = Mapping[str, Any]


class FrameEffect(Pipeline):
    """One RGB picture after the other, as arrays on the CPU, whatever the stage's device."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shape: tuple[int, ...] | None = None

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["init_cache"]:
            self._shape = None
        made: list[torch.Tensor] = []
        for tensor in kwargs["video"]:
            for picture in tensor.cpu().numpy():  # (H, W, 3)
                if picture.shape != self._shape:
                    self._shape = picture.shape
                    self.restart()
                made.append(_tensor(self.draw(picture, kwargs)))
        return {"video": [picture.to(self.device) for picture in made]}

    def restart(self) -> None:
        """Forget all earlier pictures: the first one, or one of another size, comes next."""

    @abstractmethod
    def draw(self, picture: Picture, settings: Settings) -> Picture:
        """What becomes of ``(H, W, 3)`` uint8, which may be written into."""

    def close(self) -> None:
        self.restart()


class PlaneEffect(Pipeline):
    """One picture of Y, U and V planes after the other, as arrays on the CPU: no conversion."""

    accepts = "yuv420p"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind: tuple[object, ...] | None = None

    def prepare(self, **kwargs: Any) -> Requirements | None:
        return Requirements(input_size=1)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        if kwargs["init_cache"]:
            self._kind = None
        made: list[YuvPlanes] = []
        for planes in kwargs["video"]:
            kind = (planes.y.shape, planes.matrix, planes.full_range)
            if kind != self._kind:
                self._kind = kind
                self.restart()
            arrays = [plane.cpu().numpy() for plane in (planes.y, planes.u, planes.v)]
            for drawn in self.draw_all(planes, arrays, kwargs):
                y, u, v = (_tensor(plane).to(self.device) for plane in drawn)
                made.append(YuvPlanes(y, u, v, planes.matrix, planes.full_range))
        return {"video": made}

    def restart(self) -> None:
        """Forget all earlier pictures: the first one, or one of another kind, comes next."""

    def draw_all(
        self, planes: YuvPlanes, arrays: list[Picture], settings: Settings
    ) -> list[list[Picture]]:
        """The pictures that one picture becomes; one, unless an effect says otherwise."""
        return [self.draw(planes, arrays, settings)]

    def draw(self, planes: YuvPlanes, arrays: list[Picture], settings: Settings) -> list[Picture]:
        """What becomes of Y ``(H, W)``, U and V ``(H/2, W/2)``, which may be written into.

        ``planes`` is where they come from: read the matrix and the range there. An effect has
        this or ``draw_all``.
        """
        raise NotImplementedError

    def close(self) -> None:
        self.restart()


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture))


def yuv_of(rgb: Sequence[float], matrix: Matrix, full_range: bool) -> tuple[int, int, int]:
    """What a colour (0..255) is in a matrix and a range (ITU-R BT.601 and BT.709)."""
    red_weight, blue_weight = (0.299, 0.114) if matrix == "bt601" else (0.2126, 0.0722)
    red, green, blue = (channel / 255 for channel in rgb)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    cb, cr = (blue - luma) / (1 - blue_weight) / 2, (red - luma) / (1 - red_weight) / 2
    if full_range:
        return round(255 * luma), _level(128 + 255 * cb), _level(128 + 255 * cr)
    return round(16 + 219 * luma), _level(128 + 224 * cb), _level(128 + 224 * cr)


def _level(value: float) -> int:
    return min(255, max(0, round(value)))


def rgb_of_hex(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three levels of 255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
