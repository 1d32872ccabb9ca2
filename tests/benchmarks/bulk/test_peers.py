"""The peers do the same work: as many rows, with the columns and types of the answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from benchmarks.bulk import made
from benchmarks.bulk.peers import WAYS
from paths import FOUR_BLOBS
from pyarrow import csv, parquet

from edge_runtime import Predictor

ROWS = 700
PIECE = made.numbers(2, 300)


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> made.Task:
    found = made.task(FOUR_BLOBS, PIECE)
    monkeypatch.setenv("COLUMNS", json.dumps({"read": found.read, "written": found.written}))
    return found


@pytest.mark.parametrize("way", ["copy-parquet-whole", "copy-parquet-streamed", "copy-csv-whole", "copy-csv-streamed"])
def test_copies_have_the_columns_and_types_of_answers(task: made.Task, tmp_path: Path, way: str) -> None:
    source, target = tmp_path / "rows", tmp_path / "answers"
    write: Any = made.write_parquet if "parquet" in way else made.write_csv
    WAYS[way]("", str(write(source, PIECE, ROWS)), str(target))
    (answers,) = Predictor(FOUR_BLOBS).stream(PIECE.to_batches())
    if "parquet" in way:
        assert parquet.read_schema(target).equals(answers.schema)
    found = parquet.read_table(target) if "parquet" in way else csv.read_csv(target)
    assert (found.num_rows, found.column_names) == (ROWS, answers.schema.names)
    # What was read is in it, and repeats.
    np.testing.assert_array_equal(found["probability"].to_numpy()[:300], found["probability"].to_numpy()[300:600])
    assert len(set(found["probability"].to_pylist())) > 250


def test_the_loop_of_pandas_gives_our_answers(task: made.Task, tmp_path: Path) -> None:
    source, target = made.write_csv(tmp_path / "rows.csv", PIECE, 300), tmp_path / "answers.csv"
    WAYS["pandas"](str(FOUR_BLOBS), str(source), str(target))
    found = pd.read_csv(target)
    expected = pa.Table.from_batches(Predictor(FOUR_BLOBS).stream(PIECE.to_batches())).to_pandas()
    assert list(found) == list(expected)
    assert (found["label"] == expected["label"]).all()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), atol=1e-6)


def test_scoring_alone_prints_seconds(task: made.Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = made.write_parquet(tmp_path / "rows.parquet", PIECE, ROWS)
    WAYS["scoring-alone"](str(FOUR_BLOBS), str(source), "")
    assert 0 < float(capsys.readouterr().out) < 10


@pytest.mark.parametrize("rows", [1, 300, 1000])
def test_large_tables_repeat_a_piece(tmp_path: Path, rows: int) -> None:
    in_csv = csv.read_csv(made.write_csv(tmp_path / "t.csv", PIECE, rows))
    in_parquet = parquet.read_table(made.write_parquet(tmp_path / "t.parquet", PIECE, rows))
    assert in_csv.num_rows == in_parquet.num_rows == rows
    np.testing.assert_allclose(in_csv["x2"].to_numpy(), in_parquet["x2"].to_numpy(), rtol=1e-6)
    assert in_parquet["x1"][rows - 1] == PIECE["x1"][(rows - 1) % 300]


def test_rows_with_text_are_the_same_every_time() -> None:
    rows = made.mixed_rows(200)
    assert rows.equals(made.mixed_rows(200))
    assert [str(kind) for kind in rows.schema.types] == ["string"] * 4 + ["double"] * 6
    assert rows["n1"].null_count > 0
