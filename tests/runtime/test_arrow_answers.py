"""Answers as record batches have the names, the order and the values of answers as CSV."""

import decimal
from typing import Any

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime import InferenceFailed, Input, NoProbabilities, Signature, csv_answers
from edge_runtime.contract.signature import Feature

pa = pytest.importorskip("pyarrow")

from edge_runtime.arrow_answers import ArrowAnswers, output_batch  # noqa: E402 - it imports pyarrow

INPUTS = (Input("x", (Feature("a"),)),)
SIGNATURES = [
    Signature(INPUTS, "p", ("no", "yes"), threshold=0.75),
    Signature(INPUTS, "p", (True, False)),
    Signature(INPUTS, "p", (-1, 2**63, 7), "multiclass_classification"),
    Signature(INPUTS, "p", (0.5, 1.5, 2.0), "multiclass_classification"),
    tables.PENGUINS,
    tables.MASS,
]
VALUES = st.floats(0, 1, width=32) | st.sampled_from([np.nan, 0.5, 0.75])


@given(st.data(), st.sampled_from(SIGNATURES), st.none() | st.integers(1, 5), st.booleans())
def test_as_csv(data: st.DataObject, signature: Signature, top: int | None, flag_unseen: bool) -> None:
    top = top if signature.labels else None
    shape = data.draw(st.tuples(st.integers(0, 5), st.just(max(len(signature.labels), 1))))
    outputs = data.draw(arrays(np.float32, shape, elements=VALUES))
    unseen = {row: {"a": "is far", "b": "is, new"} for row in range(0, len(outputs), 2)}
    batch = ArrowAnswers(signature, top, flag_unseen).batch(outputs, unseen)
    assert batch.schema.names == csv_answers.header(signature.labels, top, flag_unseen)
    predicted = signature.predicted(outputs) if signature.labels else [0] * len(outputs)
    expected = [
        csv_answers.cells(signature.labels, top, one, output, unseen.get(row, {}) if flag_unseen else None)
        for row, (one, output) in enumerate(zip(predicted, outputs, strict=True))
    ]
    found = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    assert repr([[plain(cell) for cell in row] for row in found]) == repr(
        [[plain(cell) for cell in row] for row in expected]
    )


@pytest.mark.parametrize("signature", SIGNATURES[:-1])
def test_sets_are_lists_of_labels(signature: Signature) -> None:
    places, counts = np.array([0, 1, 1, 0]), np.array([2, 1, 1])
    outputs = np.full((3, len(signature.labels)), 0.25, np.float32)
    batch = ArrowAnswers(signature, 1, has_interval=True).batch(outputs, intervals=(places, counts))
    assert batch.schema.names == csv_answers.header(signature.labels, 1, False, True)
    first, second = signature.labels[:2]
    assert batch["set"].to_pylist() == [[first, second], [second], [first]]
    batch.validate(full=True)
    none = ArrowAnswers(signature, 1, has_interval=True).batch(outputs[:0], intervals=(places[:0], counts[:0]))
    assert none.schema == batch.schema


def test_bounds_have_columns() -> None:
    bounds = np.array([[1, 3], [2, 4.5]], np.float32)
    batch = ArrowAnswers(tables.MASS, None, True, True).batch(np.array([[2], [3]], np.float32), {}, bounds)
    assert batch.to_pydict() == {"value": [2, 3], "lower": [1, 2], "upper": [3, 4.5], "unseen": ["", ""]}
    assert batch.schema.field("lower").type == batch.schema.field("value").type


def plain(cell: Any) -> Any:
    if isinstance(cell, decimal.Decimal):
        return int(cell)
    return cell.item() if isinstance(cell, np.generic) else cell


def test_probabilities_keep_the_type_of_the_model() -> None:
    batch = ArrowAnswers(SIGNATURES[0]).batch(np.array([[0.25, 0.75]], np.float16))
    assert [str(kind) for kind in batch.schema.types] == ["string", "halffloat", "halffloat", "halffloat"]


def test_top_labels_of_a_regression() -> None:
    with pytest.raises(NoProbabilities):
        ArrowAnswers(tables.MASS, top=2)


def test_outputs_without_a_signature() -> None:
    outputs = {
        "label": np.array(["a", "b"], np.object_),
        "flat": np.array([[1], [2]], np.int64),
        "deep": np.arange(8, dtype=np.float32).reshape(2, 2, 2),
        "maps": [{"a": 0.25, "b": 0.75}, {"a": 1.0, "b": 0.0}],
    }
    assert output_batch(outputs, 2).to_pydict() == {
        "label": ["a", "b"],
        "flat": [1, 2],
        "deep_0_0": [0, 4],
        "deep_0_1": [1, 5],
        "deep_1_0": [2, 6],
        "deep_1_1": [3, 7],
        "maps_a": [0.25, 1],
        "maps_b": [0.75, 0],
    }
    none = {"flat": np.empty((0, 1)), "deep": np.empty((0, 2), np.float32), "maps": []}
    assert output_batch(none, 0).to_pydict() == {"flat": [], "deep_0": [], "deep_1": []}


@pytest.mark.parametrize("output", [np.float32(1), np.zeros(3), [{"a": 1}]])
def test_outputs_that_are_not_of_the_rows(output: Any) -> None:
    with pytest.raises(InferenceFailed, match=r"^the output y has .* for 2 rows, so it is not a column"):
        output_batch({"y": output}, 2)
