"""Files of rows at the shell: CSV, TSV and JSON Lines, compressed or not, with a header or without one."""

import csv
import functools
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tables
from commands import assert_one_line, by_reader
from paths import MODELS

from edge_runtime import Signature
from edge_runtime.cli.command import main
from edge_runtime.rows.text_rows import read_rows

PENGUINS, ISLANDS = (MODELS / f"{name}.onnx" for name in ("penguins", "islands"))

Command = Callable[..., Any]

# Without the time, which would be in the names of tests: processes that share them out must find the same names.
compressed = functools.partial(gzip.compress, mtime=0)


def test_categories_may_hold_equals_signs(
    command: Command, tmp_path: Path, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][1]["categories"] = ["20=07"]
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata(ISLANDS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    # A known category is not a name, and what is neither is a mistyped name.
    assert command(main, model, "a=b", "20=07").code == 0
    assert_one_line(command(main, model, "a=b", "c=d"), 2, "'a' is not a feature")
    assert_one_line(command(main, ISLANDS, "a=b", "c=d"), 2, "'a' is not a feature")


def test_a_first_line_that_is_hardly_a_row(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("Island,Year\nDream,2007\n")
    assert_one_line(command(main, ISLANDS, "--input", rows), 1, "'Island' looks like the name of a feature")
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][1]["categories"] = ["a", "b"]
    strings = Signature.from_dict(plain)
    notes: list[str] = []
    for line, noted in (("colour,shape\n", 1), ("Dream,c\n", 0)):
        notes.clear()
        assert list(read_rows([line], strings.features, "rows", notes.append)) == [line.strip().split(",")]
        assert len(notes) == noted


def test_a_parquet_file(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    rows.write_bytes(b"PAR1\x15\x04 and so on")
    assert_one_line(
        command(main, ISLANDS, "--input", rows),
        1,
        by_reader("rows.parquet is not a Parquet file, or a damaged one", "rows.parquet needs the package pyarrow"),
    )


def test_ignored_columns_are_noted_once(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"island": "Dream", "year": 2007, "a": 1}\n{"island": "Dream", "year": 2007, "a": 1, "b": 2}\n')
    result = command(main, ISLANDS, "--input", rows)
    # Who reads row by row has not seen b yet.
    notes = by_reader(["a, b"], ["a", "b"])
    assert result.err == "".join(f"{rows}: ignored columns: {note}\n" for note in notes)


TABLE = '''year,species,ringed,mass,island,bill
2007,Adelie,True,3750,Torgersen,39.1
,Gentoo,false,NA, Dream ,?
2009.0,Gentoo,1,,"Ö=1, ""ö""",46.5
'''
WITHOUT_HEADER = '''Torgersen,39.1,3750,1,2007
Dream,NA,NA,0,NA
"Ö=1, ""ö""",46.5,,TRUE,2009
'''
NAN = float("nan")
READ = [("Torgersen", 39.1, 3750, 1, "2007"), ("Dream", NAN, NAN, 0, ""), ('Ö=1, "ö"', 46.5, NAN, 1, "2009")]


def with_tabs(text: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(csv.reader(io.StringIO(text)))
    return out.getvalue()


def as_json(text: str, objects: bool) -> str:
    lines = []
    for row in csv.DictReader(io.StringIO(text)):
        values: dict[str, Any] = {
            "island": row["island"],
            "bill": None if row["bill"] == "?" else float(row["bill"]),
            "mass": float(row["mass"]) if row["mass"].isdigit() else row["mass"],
            "ringed": row["ringed"] != "false",
            "year": float(row["year"]) if row["year"] else None,
        }
        lines.append(json.dumps(values if objects else list(values.values())))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", TABLE.encode()),
        ("rows.csv.gz", compressed(TABLE.encode())),
        ("ROWS.CSV.GZ", compressed(b"\xef\xbb\xbf" + TABLE.encode())),
        ("rows.tsv", with_tabs(TABLE).encode()),
        ("rows.tsv.gz", compressed(with_tabs(TABLE).encode())),
        ("rows.txt", with_tabs(TABLE).encode()),
        ("rows.jsonl", as_json(TABLE, objects=True).encode()),
        ("rows.jsonl.gz", compressed(as_json(TABLE, objects=False).encode())),
        ("rows.csv", WITHOUT_HEADER.encode()),
        ("rows.tsv", with_tabs(WITHOUT_HEADER).encode()),
    ],
)
def test_files(command: Command, tmp_path: Path, name: str, content: bytes) -> None:
    rows = tmp_path / name
    rows.write_bytes(content)
    result = command(main, PENGUINS, "--input", rows, "--format", "json")
    expected = tables.penguins(READ)
    assert result.code == 0, result
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert len(answers) == 3
    for answer, probabilities in zip(answers, expected, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(list(probabilities), abs=1e-6)
    has_header = "json" not in name and not content.startswith(b"Torgersen")
    assert result.err == (f"{rows}: ignored columns: species\n" if has_header else "")


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        (
            "rows.csv",
            b"island,bill,mass,year,species\n",
            ["line 1: 'island' looks like the name", "lacks ringed"],
        ),
        ("rows.csv", b"a,b,c,d,e\n", ["'b' is not a number, and as a header the line lacks island, bill, mass"]),
        ("rows.csv", b"a,b,c,d\n", ["'a' is not a number, and as a header the line lacks island"]),
        ("rows.csv", b"Dream,1,2,0\n", ["5 values are needed (island, bill, mass, ringed, year), found 4"]),
        ("rows.csv", b"Dream,1,2,0,2007\nDream,1,2,,2007\n", ["line 2: ringed: the value is missing"]),
        ("rows.csv", b"Dream,1,2,0,2007\nDream,1,2,0,now\n", ["line 2: year: 'now' is not a number"]),
        ("rows.csv", b"Dream,1,2,0,2007\nDr\0eam,1,2,0,2007\n", ["line 2:"]),
        (
            "rows.tsv",
            b"island,bill\n",
            [by_reader("the line lacks mass, ringed, year", "the line lacks island, bill, mass")],
        ),
        (
            "rows.jsonl",
            b'{"island": "Dream", "bill": 4}\n',
            [by_reader("there is no column ringed", "line 1: missing ringed")],
        ),
        ("rows.jsonl", b'{"island": "Dream", "bill": 4, "ringed": null}\n', ["line 1: ringed: the value is missing"]),
        (
            "rows.jsonl",
            b'{"island": "Dream", "bill": "a", "ringed": true}\n',
            ["line 1: bill: " + by_reader("'a'", '"a"') + " is not a number"],
        ),
        ("rows.jsonl", b'{"island": "Dream", "bill": 1, "ringed": 2}\n', ["line 1: ringed: 2"]),
        (
            "rows.jsonl",
            b'{"island": "\\ud800", "bill": 1, "ringed": true}\n',
            ["line 1: " + by_reader("a string has half a character in it", "'\\ud800' is half a character")],
        ),
        ("rows.jsonl", b'["Dream", 1, 2, [], 2007]\n', ["line 1: ringed: [] is not a number"]),
        (
            "rows.csv.gz",
            b"island",
            [by_reader("rows.csv.gz line 1: 'island' looks like the name", "is not a gzip file")],
        ),
        (
            "rows.csv.gz",
            compressed(WITHOUT_HEADER.encode())[:-12],
            ["rows.csv.gz is damaged: "],
        ),
        ("rows.csv.gz", compressed(WITHOUT_HEADER.encode())[:10] + b"\xff" * 90, ["rows.csv.gz is damaged"]),
        (
            "rows.csv.gz",
            compressed(b"\xff,1"),
            ["rows.csv.gz " + by_reader("line 1 is not UTF-8 text", "is not UTF-8 text: invalid start byte 0xff")],
        ),
    ],
)
def test_bad_files(command: Command, tmp_path: Path, name: str, content: bytes, parts: list[str]) -> None:
    rows = tmp_path / name
    rows.write_bytes(content)
    result = command(main, PENGUINS, "--input", rows)
    assert_one_line(result, 1, *parts)


def test_a_header_of_a_table_of_strings(command: Command, tmp_path: Path) -> None:
    """Any line could be a row of strings, but not one that names some of the features."""
    rows = tmp_path / "rows.csv"
    rows.write_text("island,species\nDream,a\n")
    assert_one_line(
        command(main, ISLANDS, "--input", rows), 1, "'island' looks like the name of a feature", "lacks year"
    )
    rows.write_text("Dream,2007\nFoo,\n")
    assert command(main, ISLANDS, "--input", rows).out == command(main, ISLANDS, "Dream", 2007).out + (
        command(main, ISLANDS, "Foo", "").out
    )


@pytest.mark.parametrize("output_format", ["csv", "json", "text"])
def test_what_comes_first_comes_once(command: Command, tmp_path: Path, output_format: str) -> None:
    """Rows are answered in batches of 4,096."""
    rows = tmp_path / "rows.csv"
    rows.write_text("Dream,2007\n" * 9000)
    lines = command(main, ISLANDS, "--input", rows, "--format", output_format).out.splitlines()
    has_header = output_format == "csv"
    assert len(lines) == 9000 + has_header
    assert len(set(lines)) == 1 + has_header
    assert lines[0].startswith("label,probability" if has_header else lines[1])
