"""Tables in files: formats, spellings, and what is wrong with them."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from edge_runtime import Limits
from edge_train import TableError, read_table

ROWS = [{"a": 1.5, "b": "x"}, {"a": -2.0, "b": "日本, y"}, {"a": 3.25, "b": 'quo"te'}]
CSV = 'a,b\n1.5,x\n-2.0,"日本, y"\n3.25,"quo""te"\n'


def as_parquet(table: Any) -> bytes:
    content = io.BytesIO()
    pa.parquet.write_table(table, content)
    return content.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[str, list[Any]]]:
    def read(content: str | bytes, name: str = "table.csv") -> dict[str, list[Any]]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        columns: dict[str, list[Any]] = read_table(path).to_pydict()
        return columns

    return read


FORMATS = {
    "table.csv": CSV.encode(),
    "table.tsv": 'a\tb\n1.5\tx\n-2.0\t日本, y\n3.25\t"quo""te"\n'.encode(),
    "table.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "table.parquet": as_parquet(pa.Table.from_pylist(ROWS)),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_formats(read: Any, name: str, compressed: bool) -> None:
    content = FORMATS[name]
    found = read(gzip.compress(content), f"{name}.gz") if compressed else read(content, name)
    assert found["b"] == ["x", "日本, y", 'quo"te']
    assert list(map(float, found["a"])) == [1.5, -2.0, 3.25]


def test_names_tell_formats_in_any_case_and_content_tells_parquet(read: Any) -> None:
    assert read(gzip.compress(FORMATS["table.tsv"]), "TABLE.TSV.GZ")["b"][0] == "x"
    assert read(FORMATS["table.parquet"], "table.data")["b"][0] == "x"
    assert read(CSV, "table")["b"][0] == "x"
    assert read(CSV, "a.b.2020.csv")["b"][0] == "x"


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        CSV.rstrip("\n"),
        "\n\n" + CSV.replace("\n", "\n\n"),
        CSV.replace("a,b", " a , b "),
    ],
)
def test_spellings_of_one_table(read: Any, content: str) -> None:
    assert read(content) == {"a": ["1.5", "-2.0", "3.25"], "b": ["x", "日本, y", 'quo"te']}


def test_cells_are_strings_as_in_the_file_without_white_space_around_them(read: Any) -> None:
    found = read('a,b\n007, x \n1e5,\n"two\nlines",NA\n')
    assert found == {"a": ["007", "1e5", "two\nlines"], "b": ["x", "", "NA"]}


def test_names_may_hold_commas_and_quotes(read: Any) -> None:
    assert list(read('"a, long","say ""b""",日本\n1,2,3\n')) == ["a, long", 'say "b"', "日本"]


def test_pandas_writes_numbers_where_columns_have_no_names(read: Any) -> None:
    assert list(read("0,1,2\n5.5,6,x\n")) == ["0", "1", "2"]


def test_values_may_be_missing_in_json_rows(read: Any) -> None:
    found = read('{"a": 1, "b": "x"}\n\n{"b": null, "a": 2.5}\n{"a": NaN}\n', "table.jsonl")
    assert found["b"] == ["x", None, None]
    assert found["a"][:2] == [1, 2.5]


def test_names_and_values_may_begin_as_null_does(read: Any) -> None:
    assert read('{"null": null, "a": "null"}\n{"null": 1, "a":\t"n"}\n', "table.jsonl")["a"] == ["null", "n"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"table\.csv is empty$"),
        (b"\n\n", "is empty; a header"),
        (b"\xef\xbb\xbf", "is empty; a header"),
        (b"x,c\n", "a header but no rows"),
        (b"x,c\n1,a\n2\n", "line 3: 1 value, but the header has 2 columns"),
        (b"x,c\n1,a,9\n", "line 2: 3 values"),
        (b"x,x,c\n1,2,a\n", "two columns have the name 'x'"),
        (b"x, x ,c\n1,2,a\n", "two columns have the name 'x'"),
        (b"x,,c\n1,2,a\n", "column 2 has no name"),
        (b"x,c,\n1,a,\n", "column 3 has no name"),
        (b'"x\ny",c\n1,a\n', "column 1 has more than one line"),
        (b"5.1,3.5,0.2\n1,2,3\n", "the first line has numbers, not names"),
        (b"1,1,2\n1,2,3\n", "the first line has numbers, not names"),
        (b"x,c\n1,a\n2,\xff\n", "line 3: not UTF-8 text; if the file is in another encoding, .* --encoding cp1252"),
        (b'x,c\n1,"a\n', "line 2: not CSV: a quote is never closed"),
        (b'x,c\n0,b\n1,"a\n2,b\n3,d', "line 3: not CSV: a quote is never closed"),
        (b'x,"c\n1,a\n', "not CSV"),
        (b'x,c\n"1,a\n2,b\n', "not CSV"),
        (b"PK\x03\x04\xfe\xff junk", "is a zip archive"),
        (b"\x1f\x8b\x08\x00", r"is damaged"),
    ],
)
def test_bad_csv(read: Any, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"x,c\n1,a\n", "table.tsv"),
        (b"x;c\n1;a\n", "table.csv"),
        (b"x\tc\n1\ta\n", "table.csv"),
        ("x,c\n1,a\n".encode("utf-16"), "table.csv"),
        ("x,c\n1,a\n".encode("utf-16-le"), "table.csv"),
        (b'[{"x": "1", "c": "a"}]', "table.json"),
        ('{"x": "1", "c": "a"}\n'.encode("utf-16"), "table.jsonl"),
        (gzip.compress(b"x,c\n1,a\n"), "table.csv"),
        (b"x,c\n1,a\n", "table.csv.gz"),
    ],
)
def test_what_a_file_is_is_found_in_it(read: Any, content: bytes, name: str) -> None:
    assert read(content, name) == {"x": ["1"], "c": ["a"]}


def test_what_the_user_says(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("größe^b;c\n1,5^x\n".encode("cp1252"))
    table = read_table(path, encoding="cp1252", delimiter="^", decimal=",")
    assert table.to_pydict() == {"größe": ["1,5"], "b;c": ["x"]}
    assert table.schema.metadata == {b"decimal": b","}
    with pytest.raises(TableError, match=r"header has only one column, .*; name the character between columns with"):
        read_table(path, encoding="cp1252", delimiter="|")


def test_many_files(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("b,a\ny,2\n")
    assert read_table(tmp_path).to_pydict() == read_table(tmp_path / "*.csv").to_pydict()
    assert read_table(tmp_path).to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}
    (tmp_path / "3.csv").write_text("a,c\n1,x\n")
    with pytest.raises(TableError, match=r"3\.csv lacks b, which .*1\.csv has"):
        read_table(tmp_path)


def test_numbers_of_large_tables_are_numbers_and_identifiers_are_not(tmp_path: Path) -> None:
    count = 30_000
    rows = [(f"{n / 7:.3f}", str(n), f"{n:05}", f"word {n % 9}", "1.0" if n % 2 else "2.0") for n in range(count)]
    path = tmp_path / "table.csv"
    path.write_text("a,b,c,d,e\n" + "".join(",".join(row) + "\n" for row in rows))
    table = read_table(path)
    assert [str(kind) for kind in table.schema.types][:3] == ["double", "int64", "string"]
    for place, name in enumerate("abcde"):
        expected: list[Any] = [row[place] for row in rows]
        found = table[name].to_pylist()
        assert found == (expected if name in "cde" else [float(cell) for cell in expected])


@pytest.mark.parametrize("late", ["007", "x", "+5", "1e3", "", "1_0"])
def test_a_column_may_change_late(tmp_path: Path, late: str) -> None:
    count = 400_000
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"{n},{n}.5\n" for n in range(count)) + f"{late},x\n")
    table = read_table(path)
    assert table["a"][-1].as_py() == (late or None)
    assert (table["a"][5].as_py(), table["b"][5].as_py()) == (5 if not late else "5", "5.5")
    assert table.num_rows == count + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[1]]", "line 1: not an object"),
        ("1\n2\n", "line 1: not an object"),
        # Arrow ends the process if there is nothing else.
        ("null\n", "line 1: not an object"),
        ("\n \t null", "line 2: not an object"),
        ("\rnull", "line 1: not an object"),
        ("\ufeffnull", "line 1"),
        (" " * (1 << 20) + "null", "line 1: not an object"),
        ('{"a": "' + "x" * (1 << 20) + '"}\n' + "\n" * (1 << 20) + "null", "not an object"),
        ('{"a": 1}\nnull\n', "line 2: not an object"),
        ('{"a": 1}\n{oops\n', "line 2: not JSON"),
        ('{"a": 1}\n\n{oops\n', "line 3: not JSON"),
        ('{"a": true}\n{"a": [2]}\n', "line 2: a is a list, but a plain value in other rows"),
        ('{"a": 1}\n{"a": 1, "a": 2}\n', "specified twice"),
        ('{"a": "\\ud800"}\n', "line 1: a string has half a character"),
        ('{"a": "ü"}\n'.encode("latin-1"), "line 1: not UTF-8"),
        ('{"a": 1}\n{"ü": 1}\n'.encode("latin-1"), "line 2: not UTF-8"),
        ("{}\n{}\n", "has no columns"),
        ('{"": 1}\n', "column 1 has no name"),
    ],
)
def test_bad_json(read: Any, content: str | bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(content, "table.jsonl")


def not_utf8() -> bytes:
    offsets, letters = pa.array([0, 1, 2], pa.int32()), pa.py_buffer(b"\xff\xff")
    cells = pa.Array.from_buffers(pa.string(), 2, [None, offsets.buffers()[1], letters])
    return as_parquet(pa.table({"a": cells}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FORMATS["table.parquet"][:-30], "is not a Parquet file, or a damaged one"),
        (b"junk", "is not a Parquet file, or a damaged one"),
        (
            as_parquet(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])),
            "two columns have the name 'a'",
        ),
        (as_parquet(pa.table({"a": pa.array([], pa.int64())})), "no rows"),
        (not_utf8(), "UTF8"),
        (as_parquet(pa.table({"abcd": [1]})).replace(b"abcd", b"ab\xff\xff"), "name of a column is not UTF-8"),
    ],
)
def test_bad_parquet(read: Any, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(content, "table.parquet")


def test_damaged_gzip(read: Any) -> None:
    content = bytearray(gzip.compress(CSV.encode() * 500))
    for name in ("table.csv.gz", "table.jsonl.gz", "table.parquet.gz"):
        for length in (2, 3, 11, len(content) // 2, len(content) - 1):
            with pytest.raises(TableError, match="damaged"):
                read(content[:length], name)
    content[20] ^= 0xFF
    with pytest.raises(TableError, match="damaged"):
        read(content, "table.csv.gz")


def test_gzip_that_is_damaged_behind_the_header(read: Any) -> None:
    """The first lines are read by themselves."""
    numbers = "".join(f"{number},{number * 7919 % 10007}\n" for number in range(50_000))
    content = bytearray(gzip.compress(f"a,b\n{numbers}".encode()))
    with pytest.raises(TableError, match="damaged"):
        read(content[: len(content) * 3 // 4], "table.csv.gz")
    content[len(content) * 3 // 4] ^= 0xFF
    with pytest.raises(TableError, match="damaged"):
        read(content, "table.csv.gz")


def test_lines_and_cells_that_are_too_long(tmp_path: Path) -> None:
    """Nothing is wrong with them but their length."""
    header, row = ",".join(f"column {place}" for place in range(1000)), ",".join(["x" * 2000] * 1000)
    path, limits = tmp_path / "table.csv", Limits(line_bytes=1 << 20)
    for before, line in (
        (header, row),
        ("a,b", "x" * 3_000_000 + ",1"),
        ("a,b\n" + "1,2\n" * 2000, "x" * 3_000_000 + ",1"),
    ):
        path.write_text(f"{before}\n{line}\n")
        assert read_table(path).num_rows >= 1
        with pytest.raises(TableError, match=r"has a line of more than 1,048,576 bytes; .*--limit line_bytes="):
            read_table(path, limits)


@pytest.mark.parametrize("name", ["table.jsonl", "table.parquet", "table.tsv"])
def test_empty_files(read: Any, name: str) -> None:
    with pytest.raises(TableError, match=f"{name} is empty$"):
        read(b"", name)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(TableError, match="has no file that ends in"):
        read_table(tmp_path)
