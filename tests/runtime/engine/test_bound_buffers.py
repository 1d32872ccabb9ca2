from typing import Any

import numpy as np
import pytest
from paths import MODELS
from sessions import session_of

from edge_runtime import InferenceFailed
from edge_runtime.engine.bound_buffers import UNPACKABLE, BoundBuffers, both_probabilities


def bound(name: str, rows: int, is_binary: bool = False) -> BoundBuffers:
    session = session_of(MODELS / f"{name}.onnx", "cpu")
    return BoundBuffers(session, session.inputs[0], session.outputs[0], rows, is_binary)


def test_what_is_written_is_computed() -> None:
    buffers = bound("three_labels", 1)
    session = session_of(MODELS / "three_labels.onnx", "cpu")
    for row in ([1.0, 0.0], [0.0, 1.0], [-1, 2]):
        buffers.pack(*row)
        assert buffers.input.tolist() == [row]
        buffers.run()
        (expected,) = session.run(["probabilities"], {"x": np.array([row], np.float32)})
        np.testing.assert_array_equal(buffers.output, expected)
        np.testing.assert_array_equal(buffers.answer(), expected)


def test_answers_are_copies() -> None:
    buffers = bound("three_labels", 2)
    buffers.input[...] = [[1, 0], [0, 1]]
    first = buffers.answer()
    kept = first.copy()
    buffers.input[...] = 5
    second = buffers.answer()
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_both_labels_of_a_binary_model() -> None:
    buffers = bound("four_blobs", 3, is_binary=True)
    buffers.input[...] = [[-1, 1], [1, 1], [0, 0]]
    answer = buffers.answer()
    assert answer.shape == (3, 2)
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer[:, 1:], buffers.output)
    np.testing.assert_array_equal(answer[:, 0], np.float32(1) - answer[:, 1])
    assert bound("four_blobs", 3).answer().shape == (3, 1)


@pytest.mark.parametrize("row", [[1], [1, 2, 3], ["1", 2], [None, 1], [1, 1e300], [1, 2j], [[1], 2], [1, 10**400]])
def test_what_cannot_be_packed(row: list[Any]) -> None:
    buffers = bound("three_labels", 1)
    with pytest.raises(UNPACKABLE):
        buffers.pack(*row)


@pytest.mark.parametrize("row", [[1, 2], [True, np.float64(2)], [np.int8(1), 2.0], [float("nan"), float("inf")]])
def test_what_can_be_packed(row: list[Any]) -> None:
    buffers = bound("three_labels", 1)
    buffers.pack(*row)
    np.testing.assert_array_equal(buffers.input, np.array([row], np.float32))


def test_one_number_of_the_outputs_type() -> None:
    buffers = bound("four_blobs", 1)
    buffers.pack_item(0.1)
    assert buffers.item() == np.float32(0.1)


def test_what_onnxruntime_raises_is_translated() -> None:
    buffers = bound("three_labels", 1)

    def fail() -> None:
        raise RuntimeError("no memory")

    buffers.run = fail
    with pytest.raises(InferenceFailed, match="ONNX Runtime failed on the model: no memory"):
        buffers.answer()


def test_probabilities_of_both_labels() -> None:
    positive = np.array([[0.25], [1], [np.nan]], np.float16)
    result = np.zeros((3, 2), np.float16)
    both_probabilities(positive, result)
    np.testing.assert_array_equal(result, np.array([[0.75, 0.25], [0, 1], [np.nan, np.nan]], np.float16))
