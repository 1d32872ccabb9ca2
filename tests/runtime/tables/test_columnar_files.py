"""Parquet and Arrow files: some rows at a time, and what is wrong with them."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.tables.table import open_table


def written(folder: Path, table: Any, **options: Any) -> Path:
    pa.parquet.write_table(table, folder / "t.parquet", **options)
    return folder / "t.parquet"


def test_rows_come_some_thousands_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path, pa.table({"a": range(300_000)}))
    blocks = list(open_table(path).blocks())
    assert max(block.end.row - block.place.row for block in blocks) <= 1 << 16
    assert [row for block in blocks for row in block.parse().batch["a"].to_pylist()] == list(range(300_000))
    assert blocks[-1].read == path.stat().st_size


def test_the_record_of_a_row_is_json(tmp_path: Path) -> None:
    path = written(tmp_path, pa.table({" a ": [1, None], "b": ["x", "ü"]}))
    (block,) = open_table(path).blocks()
    assert block.parse({"a": pa.float64()}).batch.to_pydict() == {"a": [1, None]}
    assert block.parse().record(1) == '{"a": null, "b": "ü"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"junk", "is not a Parquet file, or a damaged one"), (b"PAR1" + bytes(50), "is not a Parquet file")],
)
def test_what_is_damaged(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        open_table(path)


def test_a_column_that_is_not_utf8(tmp_path: Path) -> None:
    offsets, letters = pa.array([0, 1, 2], pa.int32()), pa.py_buffer(b"\xff\xff")
    cells = pa.Array.from_buffers(pa.string(), 2, [None, offsets.buffers()[1], letters])
    path = written(tmp_path, pa.table({"a": cells}))
    with pytest.raises(InvalidInput, match=r"damaged: .*UTF8"):
        [block.parse() for block in open_table(path).blocks()]


def test_arrow_files_with_wrong_offsets_end_nothing(tmp_path: Path) -> None:
    sink = io.BytesIO()
    table = pa.table({"a": ["x", "y" * 100, "z"]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue()
    right = b"\0\0\0\0\x01\0\0\0\x65\0\0\0"
    assert right in content
    path = tmp_path / "t.arrow"
    path.write_bytes(content.replace(right, b"\0\0\0\0\x01\0\0\0\xff\xff\xff\x7f"))
    with pytest.raises(InvalidInput, match="damaged"):
        [block.parse() for block in open_table(path).blocks()]
