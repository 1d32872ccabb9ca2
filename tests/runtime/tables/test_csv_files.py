"""CSV files in blocks: headers, quotes that are never closed, lines that are too long."""

import re
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
    assert (fault.row, fault.line, fault.record) == (2, 3, '2,"y')
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


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("1,2.5", "the first line has numbers, not names; add a line above it"),
        ("a;b|c", "the header has only one column, 'a;b|c'; name the character between columns with --delimiter"),
        ("0,1", None),
        ("a,b", None),
    ],
)
def test_headers_that_name_no_columns(tmp_path: Path, header: str, message: str | None) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n")
    table = open_table(path, delimiter=",")
    if message is None:
        table.check_headers()
        return
    with pytest.raises(InvalidInput, match=re.escape(message)):
        table.check_headers()
