"""Intervals and prediction sets in answered tables."""

from pathlib import Path

import conformal_models
import pyarrow as pa
import pyarrow.parquet
import pytest
import tables
from paths import MODELS

from edge_runtime import InvalidInput, NoIntervals, Predictor, score


def test_intervals_and_sets_are_columns(tmp_path: Path) -> None:
    (tmp_path / "labels.onnx").write_bytes(conformal_models.labels())
    frame = [dict(zip(tables.PENGUINS.columns, row, strict=True)) for row in tables.ROWS[:2]]
    target = tmp_path / "a.parquet"
    with Predictor(tmp_path / "labels.onnx") as predictor:
        score(predictor, pa.Table.from_pylist(frame), target, interval=0.9, top=1)
        found = pa.parquet.read_table(target)
        assert found.column_names == ["label", "probability", "set"]
        assert found["set"].to_pylist() == [list(labels) for labels in predictor.predict_set(frame, 0.9)]
        with pytest.raises(InvalidInput, match="coverage is a number between 0 and 1"):
            score(predictor, pa.Table.from_pylist(frame), target, interval=90)
        kept = pa.table({"set": ["a", "b"], **pa.Table.from_pylist(frame).to_pydict()})
        with pytest.raises(InvalidInput, match="the column set cannot be kept beside the answer of that name"):
            score(predictor, kept, target, interval=0.9, keep=["set"])
    values = Predictor(conformal_models.scaled())
    table = pa.table({"a": [-1.5, 0.5], "b": [4.0, 1.0]})
    score(values, table, target, interval=0.9)
    assert pa.parquet.read_table(target).to_pydict() == {"value": [1, 2], "lower": [-2, 1], "upper": [4, 3]}
    with pytest.raises(NoIntervals):
        score(MODELS / "mass.onnx", pa.table({"bill": [40.0], "depth": [15.0]}), target, interval=0.9)
