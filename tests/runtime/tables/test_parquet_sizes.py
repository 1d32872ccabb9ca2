"""How much memory a Parquet file takes, told before it is unpacked."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from edge_runtime.tables.parquet_sizes import declared_bytes, longest_string


def test_sizes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"a": [1.0] * 1000, "b": ["x" * 500] * 1000, "c": [True] * 1000}), path)
    metadata = pa.parquet.read_metadata(path)
    assert declared_bytes(metadata) == 1000 * 8 + 1000 * 4 + 1000 // 8
    assert longest_string(path, metadata, 0) == 500
    pa.parquet.write_table(pa.table({"a": [1.0]}), path)
    assert longest_string(path, pa.parquet.read_metadata(path), 0) == 1
