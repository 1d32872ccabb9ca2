"""A table in one file or in many: the same rows, however they are written."""

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.tables.blocks import Place
from edge_runtime.tables.table import Table, open_table

COLUMNS = {"a": [1.5, -2.0, None, 3.25], "b": ["x", "日本, y", "two\nlines", 'quo"te']}
CSV = 'a,b\n1.5,x\n-2.0,"日本, y"\n,"two\nlines"\n3.25,"quo""te"\n'
TYPES = {"a": pa.float64(), "b": pa.string()}


def packed(content: bytes, packing: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, packing) as stream:
        stream.write(content)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def as_file(write: Callable[[Any, Any], Any]) -> bytes:
    sink = pa.BufferOutputStream()
    write(pa.table(COLUMNS), sink)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def as_stream(table: Any, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


OBJECTS = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]
FILES = {
    "t.csv": CSV.encode(),
    "t.tsv": CSV.replace("\n3.25,", "\n3.25\t")
    .replace(",x", "\tx")
    .replace("a,b", "a\tb")
    .replace(',"', '\t"')
    .encode(),
    "bom.csv": b"\xef\xbb\xbf" + CSV.encode(),
    "wide.csv": CSV.encode("utf-16"),
    "wide-le.csv": CSV.encode("utf-16-le"),
    "wide-be.csv": CSV.encode("utf-16-be"),
    "windows.csv": CSV.replace("\n", "\r\n").replace("two\r\nlines", "two\nlines").encode(),
    "old.csv": CSV.replace("\n", "\r").replace("two\rlines", "two\nlines").encode(),
    "comma.csv": CSV.replace(",", ";").replace("本;", "本,").replace(".", ",").encode(),
    "blank.csv": ("\n\n" + CSV.replace("\n-2", "\n\n-2") + "\n\n").encode(),
    "t.jsonl": "".join(json.dumps(one) + "\n" for one in OBJECTS).encode(),
    "t.json": json.dumps(OBJECTS).encode(),
    "pretty.json": json.dumps(OBJECTS, indent=2).encode(),
    "behind.json": "".join(json.dumps(one, indent=1) for one in OBJECTS).encode(),
    "t.parquet": as_file(pa.parquet.write_table),
    "t.feather": as_file(pa.feather.write_feather),
    "t.arrows": as_file(as_stream),
}


def read(table: Table, types: Any = TYPES) -> tuple[dict[str, list[Any]], list[int], list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in types}
    rows, faults = [], []
    decimal = table.dialect.decimal if table.dialect else "."
    for block in table.blocks():
        parsed = block.parse(types, decimal)
        for name in types:
            columns[name] += parsed.batch.column(name).to_pylist()
        rows += parsed.rows.tolist()
        faults += parsed.faults
        assert block.end.row - block.place.row == len(parsed.rows) + len(parsed.faults)
    return columns, rows, faults


@pytest.mark.parametrize("packing", [None, "gzip", "zstd", "bz2", "lz4"])
@pytest.mark.parametrize("name", FILES)
def test_one_table_in_all_formats(tmp_path: Path, name: str, packing: str | None) -> None:
    content = FILES[name] if packing is None else packed(FILES[name], packing)
    path = tmp_path / (name if packing is None else f"{name}.gz")
    path.write_bytes(content)
    assert read(open_table(path)) == (COLUMNS, [1, 2, 3, 4], [])


def test_several_files_with_columns_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "2.csv").write_text("b;a\nz;3,5\n")
    (tmp_path / "3.jsonl").write_text('{"b": "w"}\n{"a": 4}\n')
    pa.parquet.write_table(pa.table({"b": ["v"], "a": [5]}), tmp_path / "4.parquet")
    table = open_table(tmp_path)
    assert table.names == ("a", "b")
    assert table.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    found = [block.parse(TYPES, ",").batch.to_pydict() for block in table.blocks()]
    assert found == [
        {"a": [1, 2], "b": ["x", "y"]},
        {"a": [3.5], "b": ["z"]},
        {"a": [None, 4], "b": ["w", None]},
        {"a": [5], "b": ["v"]},
    ]
    assert [block.place.row for block in table.blocks()] == [1, 3, 4, 6]
    assert [block.read for block in table.blocks()][-1] == table.size


@pytest.mark.parametrize(("header", "message"), [("a", "lacks b, which"), ("a,b,c", "also has c, which")])
def test_files_with_other_columns_are_refused(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text(f"{header}\n{header}\n")
    with pytest.raises(InvalidInput, match=rf"2\.csv {message}"):
        open_table(tmp_path).check_columns()


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.json", "rows.parquet", "wide.csv"])
def test_reading_goes_on_at_any_block(tmp_path: Path, name: str) -> None:
    count = 200_000
    numbers, words = list(range(count)), [f"word {number % 97}, é" for number in range(count)]
    path = tmp_path / name
    text = "a,b\n" + "".join(f'{a},"{b}"\n' for a, b in zip(numbers, words, strict=True))
    objects = [{"a": a, "b": b} for a, b in zip(numbers, words, strict=True)]
    if name == "rows.parquet":
        pa.parquet.write_table(pa.table({"a": numbers, "b": words}), path, row_group_size=70_000)
    elif name == "rows.json":
        path.write_text(json.dumps(objects))
    elif name == "rows.jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    else:
        content = text.encode("utf-16" if name == "wide.csv" else "utf-8")
        path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    table = open_table(path)
    whole = list(table.blocks())
    assert len(whole) > 1
    assert whole[-1].end.row == count + 1
    for block in whole[:-1]:
        place = Place(**json.loads(json.dumps(asdict(block.end))))
        rest = next(iter(table.blocks(place)))
        assert rest.place == block.end
        first = rest.parse(TYPES).batch.slice(0, 1).to_pylist()[0]
        assert first == {"a": place.row - 1, "b": f"word {(place.row - 1) % 97}, é"}


def test_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,x\n2,y\n")
    table = open_table(path).without_header(["a", "b"])
    assert read(table) == ({"a": [1, 2], "b": ["x", "y"]}, [1, 2], [])


def test_only_some_columns_are_read(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"a": [1], "b": ["x"], "c": [2]}), tmp_path / "t.parquet")
    block = next(iter(open_table(tmp_path / "t.parquet").blocks(columns=["c", "a"])))
    assert block.parse().batch.to_pydict() == {"a": [1], "c": [2]}


def test_more_columns_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(InvalidInput, match=r"has 3 columns, more than 2; .*--limit columns=\.\.\."):
        open_table(path, limits=Limits(columns=2)).check_columns()


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_the_same_blocks_follow_from_any_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """So a run that is resumed packs the same bytes together."""
    for module in ("csv_files", "json_files"):
        monkeypatch.setattr(f"edge_runtime.tables.{module}._BLOCK", 3000)
    path = tmp_path / name
    lines = (f'{{"a": {row}}}\n' if name.endswith("l") else f"{row}\n" for row in range(10_000))
    path.write_text(("" if name.endswith("l") else "a\n") + "".join(lines))
    table = open_table(path)
    ends = [block.end for block in table.blocks()]
    assert len(ends) > 10
    for place in (0, 3, 7):
        assert [block.end for block in table.blocks(ends[place])] == ends[place + 1 :]
