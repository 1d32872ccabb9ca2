import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from bounded import run_bounded

from edge_runtime import Limits
from edge_train import TableError, read_table


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_few_bytes_that_stand_for_many(tmp_path: Path, kind: str) -> None:
    rows = 1_000_000
    places = pa.array(np.zeros(rows, np.int32))
    cells = np.zeros(rows) if kind == "numbers" else pa.DictionaryArray.from_arrays(places, ["x" * 10_000])
    pa.parquet.write_table(pa.table({"a": cells}), tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 100_000
    with pytest.raises(TableError, match=r"holds more than 5,000,000 bytes; .*--limit unpacked_bytes=\.\.\."):
        read_table(tmp_path / "bomb.parquet", Limits(unpacked_bytes=5_000_000))


@pytest.mark.skipif(sys.platform != "linux", reason="its way to measure memory")
def test_the_command_in_bounded_memory(tmp_path: Path) -> None:
    rows = 4_000_000
    strings = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["x" * 100_000])
    pa.parquet.write_table(pa.table({"a": strings}), tmp_path / "bomb.parquet", compression="zstd")
    path, output = tmp_path / "bomb.parquet", tmp_path / "output"
    result = run_bounded("edge_train", path, "--target", "a", "--output", output, "--limit", "unpacked_bytes=100MB")
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert result.peak < 700 << 20


def test_strings_of_all_kinds_come_back(tmp_path: Path) -> None:
    table = pa.table(
        {
            "few": pa.array(["a", None, "bb"] * 2_000),
            "many": pa.array([str(place) for place in range(6_000)]),
            "long": pa.array(["x" * 20_000, "y", None] * 2_000).dictionary_encode(),
            "number": pa.array(range(6_000)),
            "list": pa.array([["a", "b"]] * 6_000),
        }
    )
    pa.parquet.write_table(table, tmp_path / "table.parquet", row_group_size=2_500)
    read = read_table(tmp_path / "table.parquet")
    for name in table.column_names:
        assert read[name].to_pylist() == table[name].to_pylist()


def test_no_rows(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "table.parquet")
    with pytest.raises(TableError, match="has a header but no rows"):
        read_table(tmp_path / "table.parquet")
