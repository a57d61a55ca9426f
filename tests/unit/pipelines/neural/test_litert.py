"""Networks in the .tflite format."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lightmill.pipelines.neural.litert import Network
from lightmill.pipelines.neural.segmentation import ARTIFACTS, FILES
from tests.artifact_files import fetch


@pytest.fixture(scope="module")
def network():
    return Network(fetch(ARTIFACTS)[FILES["landscape"]])


def test_it_tells_its_shapes_and_computes(network):
    interpreter = network.interpreter()
    assert interpreter.input_shapes == [(1, 144, 256, 3)]
    assert interpreter.output_shapes == [(1, 144, 256, 1)]
    assert len(interpreter.output_names) == 1
    (mask,) = interpreter.invoke(np.zeros((1, 144, 256, 3), np.float32))
    assert mask.shape == (1, 144, 256, 1) and mask.dtype == np.float32


def test_a_result_stays_what_it_was_after_the_next_call(network):
    interpreter, noise = network.interpreter(), np.random.default_rng(0)
    inputs = noise.random((2, 1, 144, 256, 3), np.float32)
    (first,) = interpreter.invoke(inputs[0])
    before = first.copy()
    (second,) = interpreter.invoke(inputs[1])
    assert (first == before).all() and (first != second).any()


def test_interpreters_of_one_network_work_at_the_same_time(network):
    inputs = np.random.default_rng(0).random((4, 1, 144, 256, 3), np.float32)
    alone = [network.interpreter().invoke(one)[0] for one in inputs]
    together: list[list[np.ndarray]] = [[] for _ in inputs]

    def work(index):
        interpreter = network.interpreter()
        for _ in range(5):
            together[index] += interpreter.invoke(inputs[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, got in zip(alone, together, strict=True):
        assert len(got) == 5 and all((one == expected).all() for one in got)


@pytest.mark.parametrize(
    "inputs",
    [[], [np.zeros((1, 144, 255, 3), np.float32)], [np.zeros((1, 144, 256, 3), np.uint8)]],
    ids=["too few", "wrong shape", "wrong type"],
)
def test_wrong_inputs_are_refused(network, inputs):
    with pytest.raises(ValueError):
        network.interpreter().invoke(*inputs)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "no.tflite"
    path.write_bytes(b"not a network")
    with pytest.raises(ValueError):
        Network(path).interpreter()
