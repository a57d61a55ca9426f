"""Networks in the .tflite format on the CPU, by LiteRT (Google's runtime, formerly TensorFlow Lite).

A `Network` is shared by all sessions; each session asks it for an `Interpreter` of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

THREADS = 1
"""Of one interpreter. Sessions share the cores already, so one thread each costs the least CPU."""


class Network:
    """A file's bytes, read-only; it belongs into a pipeline's components."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()

    def interpreter(self, num_threads: int = THREADS) -> Interpreter:
        """Make one for one session.

        Raises:
            ValueError: LiteRT cannot read the file, or lacks an operation that it needs.

        """
        return Interpreter(self._content, num_threads)


class Interpreter:
    """One session's network with its buffers: any thread may call it, but one at a time."""

    def __init__(self, content: bytes, num_threads: int) -> None:
        from ai_edge_litert import interpreter  # noqa: PLC0415  only sessions that compute pay

        # LiteRT's annotations name types that it does not export.
        make = cast("Any", interpreter).Interpreter
        self._engine: Any = make(model_content=content, num_threads=num_threads)
        self._engine.allocate_tensors()
        self._inputs: list[dict[str, Any]] = self._engine.get_input_details()
        self._outputs: list[dict[str, Any]] = self._engine.get_output_details()

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input, such as ``(1, H, W, 3)``."""
        return [tuple(int(size) for size in detail["shape"]) for detail in self._inputs]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        return [tuple(int(size) for size in detail["shape"]) for detail in self._outputs]

    @property
    def output_names(self) -> list[str]:
        return [str(detail["name"]) for detail in self._outputs]

    def invoke(self, *inputs: Array) -> list[Array]:
        """Compute; one array for each input, with its shape and dtype.

        The results are copies, in the order of `output_names`.

        Raises:
            ValueError: an input has another shape or dtype, or their number is wrong.

        """
        for detail, value in zip(self._inputs, inputs, strict=True):
            self._engine.set_tensor(detail["index"], value)
        self._engine.invoke()
        return [self._engine.get_tensor(detail["index"]) for detail in self._outputs]
