"""CSV files in blocks: headers, quotes that are never closed, lines that are too long."""

from pathlib import Path

import pyarrow as pa
import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.tables.table import open_table


def test_a_quote_that_is_never_closed_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,x\n2,"y\n3,z\n4,w')
    found = [block.parse({"a": pa.float64()}) for block in open_table(path).blocks()]
    assert [number for one in found for number in one.batch["a"].to_pylist()] == [1, 3, 4]
    assert [row for one in found for row in one.rows.tolist()] == [1, 3, 4]
    (fault,) = [fault for one in found for fault in one.faults]
    assert (fault.row, fault.line, fault.record) == (2, 3, '2,"y\n')
    assert fault.reason == "not CSV: a quote is never closed"


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_lines_up_to_the_limit(tmp_path: Path, size: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2," + "y" * (size - 2) + "\n3,z\n")
    assert [block.end.row for block in open_table(path, limits=Limits(line_bytes=size)).blocks()][-1] == 4
    with pytest.raises(InvalidInput, match=f"has a line of more than {size - 1:,} bytes; .*--limit line_bytes="):
        list(open_table(path, limits=Limits(line_bytes=size - 1)).blocks())


def test_a_header_in_another_encoding_names_the_option(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("größe,b\n1,2\n".encode("cp1252"))
    with pytest.raises(InvalidInput, match="line 1 is not UTF-8 text; name its encoding, such as --encoding cp1252"):
        open_table(path)
    assert open_table(path, encoding="cp1252").names == ("größe", "b")


def test_a_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    table = open_table(path)
    assert table.names == ("a", "b")
    assert list(table.blocks()) == []
