"""What pipelines may return as data, and what they are told when it is no JSON."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightmill.errors import PipelineFailed
from lightmill.inference.chunk_data import encode_data

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(json_values)
def test_json_comes_back_and_its_length_is_its_size(value):
    text = encode_data(value, "pose")
    assert json.loads(text) == value and len(text) == len(text.encode())


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": torch.zeros(1)}, {1, 2}])
def test_what_is_no_json_is_refused_by_name(value):
    with pytest.raises(PipelineFailed, match=r"data.*pose.*finite"):
        encode_data(value, "pose")
