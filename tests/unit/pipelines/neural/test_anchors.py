"""Anchors: as many as the networks' outputs, on grids that fill the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightmill.pipelines.neural import face_net, hand_net, pose_net
from lightmill.pipelines.neural.anchors import anchor_centres


@pytest.mark.parametrize(
    ("shape", "count"),
    [(face_net.NEAR, 896), (face_net.FAR, 2304), (hand_net.PALM, 2016), (pose_net.PERSON, 2254)],
)
def test_every_output_of_the_networks_has_its_anchor(shape, count):
    centres = anchor_centres(shape.input_px, shape.strides, shape.per_layer)
    assert centres.shape == (count, 2)


@given(st.integers(1, 8), st.sampled_from([4, 8, 16]), st.integers(1, 3))
def test_a_grid_is_even_symmetric_and_row_by_row(cells, stride, layers):
    centres = anchor_centres(cells * stride, [stride] * layers)
    assert len(centres) == cells * cells * 2 * layers
    assert centres.min() == pytest.approx(0.5 / cells) and centres.max() < 1
    assert np.allclose(centres.mean(axis=0), 0.5, atol=1e-5)
    assert (np.diff(centres[:, 1]) >= 0).all()


def test_layers_of_equal_stride_share_a_grid():
    centres = anchor_centres(32, [8, 16, 16])
    assert len(centres) == 16 * 2 + 4 * 4
    assert (centres[32:36] == [0.25, 0.25]).all()
