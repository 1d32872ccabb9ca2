"""Rows of CSV, and records that are none."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from edge_runtime.tables.table import open_table

F, S = pa.float64(), pa.string()


def parsed(folder: Path, content: str | bytes, decimal: str = ".") -> Any:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    block = next(iter(open_table(path).blocks()))
    return block.parse({"a": F, "b": F}, decimal)


def test_a_column_is_numbers_only_if_all_of_its_cells_are(tmp_path: Path) -> None:
    found = parsed(tmp_path, 'a,b\n 1.50 ,x\n"2",NA\n?,7\n').batch
    assert found.to_pydict() == {"a": [1.5, 2, None], "b": ["x", "NA", "7"]}
    for cell in ("1e39", "inf", "nan(1)", "1_0", "\u0661\u0662"):
        assert parsed(tmp_path, f"a,b\n1,{cell}\n").batch.to_pydict() == {"a": [1], "b": [cell]}


def test_decimal_commas(tmp_path: Path) -> None:
    assert parsed(tmp_path, "a;b\n1,5;x\n", ",").batch.to_pydict() == {"a": [1.5], "b": ["x"]}
    assert parsed(tmp_path, "a;b\n1.5;2,5\n", ",").batch.to_pydict() == {"a": ["1.5"], "b": [2.5]}


def test_a_column_of_text_costs_nothing_in_later_blocks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 1_000_000)
    blocks = list(open_table(path).blocks())
    types = [block.parse({"a": F, "b": F}).batch.schema.types for block in blocks]
    assert len(types) > 1
    assert set(map(tuple, types)) == {(F, S)}


def test_records_that_are_no_rows(tmp_path: Path) -> None:
    found = parsed(tmp_path, b'a,b\n1,2\n3\n\n4,5,6\n7,"x\ny"\n8,\xff\n9,10\n11,"z\n12,13\n')
    assert found.batch.to_pydict() == {"a": [1, 7, 9], "b": ["2", "x\ny", "10"]}
    assert found.rows.tolist() == [1, 4, 6]
    assert [(fault.row, fault.line, fault.record) for fault in found.faults] == [
        (2, 3, "3"),
        (3, 5, "4,5,6"),
        (5, 8, "8,\\xff"),
    ]
    assert found.faults[0].reason == "1 value, but the header has 2 columns"
    assert found.faults[1].reason == "3 values, but the header has 2 columns"
    assert "--encoding cp1252" in found.faults[2].reason
    assert [found.record(place) for place in range(3)] == ["1,2", '7,"x\ny"', "9,10"]


@pytest.mark.parametrize("bad", ["1\n", '"1\n', "1,2,3\n", "1,\xff\n"])
def test_nothing_but_a_bad_record(tmp_path: Path, bad: str) -> None:
    found = parsed(tmp_path, b"a,b\n" + bad.encode("latin-1"))
    assert found.batch.num_rows == 0
    assert found.batch.schema.names == ["a", "b"]
    assert len(found.faults) == 1
