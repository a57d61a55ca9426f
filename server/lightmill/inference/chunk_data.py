"""What a pipeline returns as ``"data"``, made into the JSON text that clients get."""

from __future__ import annotations

import json

from lightmill.errors import PipelineFailed


def encode_data(value: object, pipeline: str) -> str:
    """ASCII JSON without spaces, so that its length is its size in bytes.

    Raises:
        PipelineFailed: ``value`` holds something that JSON has no word for, such as NaN or a tensor.

    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PipelineFailed(
            f'the "data" of {pipeline} is not JSON-ready ({error}); return finite numbers, text, '
            "lists and dicts"
        ) from error
