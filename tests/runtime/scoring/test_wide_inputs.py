"""Models without named features, by the columns of their inputs' names."""

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from paths import MODELS

from edge_runtime import InvalidInput, Predictor
from edge_runtime.scoring.wide_inputs import reader_for

OUTPUTS = Predictor(MODELS / "outputs.onnx")


@pytest.mark.parametrize(
    ("columns", "kept"), [(["x_0", "x_1", "id"], []), (["first", "second"], []), (["a", "id", "b"], ["id"])]
)
def test_an_input_of_several_columns(columns: list[str], kept: list[str]) -> None:
    reader = reader_for(OUTPUTS, columns, kept, may_vary=False)
    batch = pa.record_batch({name: [1.5 + place, 2.5 + place] for place, name in enumerate(columns)})
    found = reader.read(batch)
    expected = [[batch[name][row].as_py() for name in columns if name != "id"] for row in range(2)]
    assert found.feed["x"].tolist() == expected
    assert (found.good, found.bad) == (None, [])


def test_rows_that_cannot_be_read() -> None:
    reader = reader_for(OUTPUTS, ["x_0", "x_1"], [], may_vary=False)
    found = reader.read(pa.record_batch({"x_0": ["1", "a", "3"], "x_1": [1.0, 2.0, 3.0]}))
    assert found.feed["x"].tolist() == [[1, 1], [3, 3]]
    assert found.good is not None
    assert found.good.tolist() == [True, False, True]
    assert found.bad == [(1, "x_0", "'a' is not a number")]


def test_an_input_of_several_columns_beside_one_of_one() -> None:
    specs = [spec for spec in Predictor(MODELS / "tensors.onnx").inputs if spec.name in ("float32", "float64")]
    predictor: Any = SimpleNamespace(signature=None, inputs=specs)
    reader = reader_for(predictor, ["float32_0", "float64", "float32_1"], [], may_vary=False)
    found = reader.read(
        pa.record_batch(
            {"float32_0": ["1", "2", "a", "4"], "float64": [0.1, None, 0.3, 0.4], "float32_1": [5.0, 6.0, 7.0, 8.0]}
        )
    )
    assert {name: tensor.tolist() for name, tensor in found.feed.items()} == {
        "float32": [[1, 5], [4, 8]],
        "float64": [0.1, 0.4],
    }
    assert found.good is not None
    assert found.good.tolist() == [True, False, False, True]
    assert [(row, name) for row, name, _ in found.bad] == [(1, "float64"), (2, "float32_0")]
    found = reader.read(pa.record_batch({"float32_0": [1.0], "float64": [0.5], "float32_1": [2.0]}))
    assert (found.feed["float32"].tolist(), found.good) == ([[1, 2]], None)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput, match="needs the columns x_0, x_1, or 2 columns in all; it has a, b, c"):
        reader_for(OUTPUTS, ["a", "b", "c"], [], may_vary=False)
    features = Predictor(MODELS / "four_blobs.onnx")
    with pytest.raises(InvalidInput, match="no column x2"):
        reader_for(features, ["x1"], [], may_vary=False)
