"""Outputs that nothing is seen to change."""

import numpy as np

from edge_export.verify.constant_outputs import constant_outputs

CHANGING = np.arange(6.0).reshape(3, 2)


def test_rows_are_compared_across_calls() -> None:
    same = [{"y": np.full((count, 2), 0.5), "z": CHANGING[:count]} for count in (1, 3, 2)]
    assert constant_outputs(same) == ["y"]
    # Each place of a row may have a value of its own.
    bias = [{"y": np.tile([1.0, -2.0], (count, 1))} for count in (1, 3)]
    assert constant_outputs(bias) == ["y"]
    assert constant_outputs([{"y": np.array([[1.0]])}, {"y": np.array([[1.0], [1.0 + 1e-15]])}]) == []


def test_integers_and_nothing_but_nan_are_constant_too() -> None:
    calls = [
        {"label": np.zeros(count, np.int64), "nan": np.full(count, np.nan), "yes": np.ones(count, bool)}
        for count in (2, 4)
    ]
    assert constant_outputs(calls) == ["label", "nan", "yes"]


def test_outputs_without_rows_are_compared_by_calls() -> None:
    calls = [{"mean": np.array(2.0), "sum": np.array(float(count))} for count in range(3)]
    assert constant_outputs(calls) == ["mean"]
    assert constant_outputs([{"y": np.ones((2, 3))}, {"y": np.ones((2, 3))}]) == ["y"]
    assert constant_outputs([{"y": np.ones((2, 3))}, {"y": np.zeros((2, 3))}]) == []


def test_one_call_of_no_rows_says_nothing() -> None:
    assert constant_outputs([{"y": np.array(1.0)}]) == []
    assert constant_outputs([{"y": np.zeros((2, 0))}, {"y": np.zeros((3, 0))}]) == []
