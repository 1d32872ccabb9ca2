"""What a value of JSON means does not depend on the rows around it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import InvalidInput, Predictor, score

parquet = pytest.importorskip("pyarrow.parquet")

SALES = Predictor(MODELS / "sales.onnx", device="cpu")
CELLS: dict[str, list[Any]] = {
    "sold": ["31.12.2025", "2019-12-31", "now", 5, True, None],
    "price": ["1.234,50 €", "5,00 €", "1.5", "NA", 1.234, 1234, 2**70, 1e39, -2.5, True, None],
    "new": ["ja", "no", True, False, 0, 1.0, 2, None],
    "zip": ["007", "7", 7, 12345, 12345.0, 1.5, True, None],
    "paid": ["2025-12-31T14:30:00Z", "1.1.2020", 20200101, None],
}
ROWS = st.lists(st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), min_size=1)


@given(ROWS, st.booleans())
def test_each_row_is_answered_as_alone(rows: list[dict[str, Any]], is_array: bool) -> None:
    answers, bad = [], []
    for number, row in enumerate(rows, 1):
        try:
            answers.append(SALES.predict_one(row))
        except InvalidInput:
            bad.append(number)
    with tempfile.TemporaryDirectory() as folder:
        source, target, rejects = (Path(folder) / name for name in ("rows.json", "out.jsonl", "bad.csv"))
        source.write_text(json.dumps(rows) if is_array else "\n".join(map(json.dumps, rows)))
        summary = score(SALES, source, target, rejects=rejects)
        assert [int(line.split(",")[0]) for line in rejects.read_text().splitlines()[1:]] == bad
        found = [json.loads(line)["value"] for line in target.read_text().splitlines()]
    assert (summary.scored, summary.rejected) == (len(answers), len(bad))
    assert found == [pytest.approx(answer, rel=1e-6) for answer in answers]


def test_a_misspelt_column_is_an_error(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {name: cells[0] for name, cells in CELLS.items()}
    rows.write_text(json.dumps({name.replace("zip", "zap"): value for name, value in row.items()}))
    with pytest.raises(InvalidInput, match="there is no column zip; 'zap' is not a feature; did you mean 'zip'"):
        score(SALES, rows, tmp_path / "a.csv")
    # Some prices and payments were missing in training.
    rows.write_text(json.dumps({name: value for name, value in row.items() if name not in ("price", "paid")}))
    assert score(SALES, rows, tmp_path / "a.csv").scored == 1


def test_rows_without_a_column_are_rejected(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {name: cells[0] for name, cells in CELLS.items()}
    less = {name: value for name, value in row.items() if name != "sold"}
    rows.write_text(json.dumps(row) + "\n" + (json.dumps(less) + "\n") * 100_000)
    summary = score(SALES, rows, tmp_path / "a.csv", rejects=tmp_path / "bad.csv")
    assert (summary.scored, summary.rejected) == (1, 100_000)
    assert '2,sold,"the value is missing' in (tmp_path / "bad.csv").read_text()


def test_kept_values_of_different_types_are_text(tmp_path: Path) -> None:
    rows, target = tmp_path / "rows.jsonl", tmp_path / "a.parquet"
    row = {name: cells[0] for name, cells in CELLS.items()}
    rows.write_text("".join(json.dumps({**row, "id": value}) + "\n" for value in (1.5, "a", None, True, 7)))
    score(SALES, rows, target, keep=["id"])
    assert parquet.read_table(target)["id"].to_pylist() == ["1.5", "a", None, "true", "7"]
