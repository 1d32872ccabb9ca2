"""Models of tables at the shell: values by name, files of every form, regression, and what training never saw."""

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tables
from paths import MODELS

from edge_runtime import Signature
from edge_runtime.cli.command import main
from edge_runtime.rows.text_rows import read_rows

PENGUINS, ISLANDS, MASS = (MODELS / f"{name}.onnx" for name in ("penguins", "islands", "mass"))
GENTOO = "label Gentoo  probability 0.9788\n"

Command = Callable[..., Any]


def assert_one_line(result: Any, code: int, *parts: str) -> None:
    assert (result.code, result.err.count("\n")) == (code, 1), result
    assert result.err.startswith("error: "), result
    for part in parts:
        assert part in result.err, result


@pytest.mark.parametrize(
    "words",
    [
        ["Torgersen", 39.1, 3750, "true", 2007],
        [" Torgersen ", "39.1", "3.75e3", "TRUE", "2007.0"],
        ["Torgersen", 39.1, 3750, 1, 2007],
        ["year=2007", "ringed=1.0", "mass=3750", "bill=39.1", "island=Torgersen"],
    ],
)
def test_one_row(command: Command, words: list[object]) -> None:
    assert command(main, PENGUINS, *words) == (0, GENTOO, "")
    assert command(main, PENGUINS, *words, "--format", "text") == (0, GENTOO, "")


def test_missing_values(command: Command) -> None:
    expected = command(main, PENGUINS, "NA", "", "?", 0, "null").out
    probability = tables.penguins([("", NAN, NAN, 0, "")]).max()
    assert expected == f"label Gentoo  probability {probability:.4f}\n"
    for words in (["ringed=0", "island=", "bill="], ["ringed=false", "island=?", "year=", "bill=nan"]):
        assert command(main, PENGUINS, *words) == (0, expected, "")


def test_values_with_equals_signs(command: Command) -> None:
    name = 'Ö=1, "ö"'
    row = [40, 3000, 0, 2007]
    assert command(main, PENGUINS, f"island={name}", "bill=40", "mass=3000", "ringed=0", "year=2007").out == (
        command(main, PENGUINS, name, *row).out
    )
    assert "unseen" not in command(main, PENGUINS, name, *row, "--flag-unseen").out


def test_the_longest_name_is_meant(command: Command, tmp_path: Path) -> None:
    old, new = b'"name": "depth"', b'"name":"bill=a"'
    assert len(old) == len(new)
    model = tmp_path / "model.onnx"
    model.write_bytes(MASS.read_bytes().replace(old, new))
    assert command(main, model, "bill=40", "bill=a=20") == (0, "value 3090\n", "")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["Dream", 40, 3000, 1], ["5 values are needed (island, bill, mass, ringed, year), found 4"]),
        (["Dream", 40, 3000, "maybe", 2007], ["ringed: 'maybe' is neither true nor false"]),
        (["Dream", 40, 3000, "", 2007], ["ringed: the value is missing, and missing values are not accepted"]),
        (["Dream", "forty", 3000, 1, 2007], ["bill: 'forty' is not a number"]),
        (["Dream", 40, 3000, 1, "2007.5"], ["year: 2007.5 is not an integer"]),
        (["island=Dream"], ["missing bill, ringed"]),
        (["colour=5"], ["'colour' is not a feature; the features are island, bill, mass, ringed, year"]),
        (["Masss=5"], ["'Masss' is not a feature; did you mean 'mass'?"]),
        (["island=Dream", "island=Dream"], ["island is given twice"]),
        (["ringed=1", 40], ["'40' has no name, but another value has one"]),
        (["Dream", "bill=40", 3000, 1, 2007], ["'Dream' has no name"]),
        (["island=Dream", "bill=4", "ringed=2"], ["ringed: '2' is neither true nor false"]),
        (["ringed=1", "--nothing"], ["no such option: --nothing"]),
        (["--flag-unseen", "--describe"], ["--flag-unseen goes with"]),
        (["--flag-unseen"], ["one of the four"]),
    ],
)
def test_wrong_usage(command: Command, words: list[object], parts: list[str]) -> None:
    result = command(main, PENGUINS, *words)
    assert result.out == ""
    assert_one_line(result, 2, *parts)


def test_texts_may_hold_equals_signs_where_all_are_texts(
    command: Command, tmp_path: Path, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][1]["categories"] = ["20=07"]
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata(ISLANDS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    # A category that the model knows is no name, and what is neither is a name that somebody mistyped.
    assert command(main, model, "a=b", "20=07").code == 0
    assert_one_line(command(main, model, "a=b", "c=d"), 2, "'a' is not a feature")
    assert_one_line(command(main, ISLANDS, "a=b", "c=d"), 2, "'a' is not a feature")


def test_a_first_line_that_is_hardly_a_row(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("Island,Year\nDream,2007\n")
    assert_one_line(command(main, ISLANDS, "--input", rows), 1, "'Island' looks like the name of a feature")
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][1]["categories"] = ["a", "b"]
    texts = Signature.from_dict(plain)
    notes: list[str] = []
    for line, noted in (("colour,shape\n", 1), ("Dream,c\n", 0)):
        notes.clear()
        assert list(read_rows([line], texts.features, "rows", notes.append)) == [line.strip().split(",")]
        assert len(notes) == noted
    # What is no CSV at all, and what is too long for a cell, end in one line.
    rows.write_text("a" * 200_000 + ",1\n")
    assert_one_line(command(main, ISLANDS, "--input", rows), 1, "line 1: not CSV")


def test_a_parquet_file(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    rows.write_bytes(b"PAR1 and so on")
    assert_one_line(command(main, ISLANDS, "--input", rows), 1, "is a Parquet file")


def test_every_ignored_name_is_noted_once(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"island": "Dream", "year": 2007, "a": 1}\n{"island": "Dream", "year": 2007, "a": 1, "b": 2}\n')
    result = command(main, ISLANDS, "--input", rows)
    assert result.err == f"{rows}: ignored columns: a\n{rows}: ignored columns: b\n"


def test_a_row_of_words_does_without_typer() -> None:
    script = """
import sys
from edge_runtime import Signature
from edge_runtime.cli.command import main
from edge_runtime.rows.text_rows import read_rows
code = main(sys.argv[1:])
sys.exit(code or "typer" in sys.modules)
"""
    for words in (["Dream", "-40", "nan", "true", ""], ["ringed=1", "mass=-5", "bill=-2", "island=Dream"]):
        result = subprocess.run([sys.executable, "-c", script, str(PENGUINS), *words], capture_output=True, text=True)
        assert (result.returncode, result.stdout[:6]) == (0, "label "), result


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
        ("rows.csv.gz", gzip.compress(TABLE.encode())),
        ("ROWS.CSV.GZ", gzip.compress(b"\xef\xbb\xbf" + TABLE.encode())),
        ("rows.tsv", with_tabs(TABLE).encode()),
        ("rows.tsv.gz", gzip.compress(with_tabs(TABLE).encode())),
        ("rows.txt", with_tabs(TABLE).encode()),
        ("rows.jsonl", as_json(TABLE, objects=True).encode()),
        ("rows.jsonl.gz", gzip.compress(as_json(TABLE, objects=False).encode())),
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
        ("rows.tsv", b"island,bill\n", ["as a header the line lacks island, bill, mass, ringed, year"]),
        ("rows.jsonl", b'{"island": "Dream", "bill": 4}\n', ["line 1: missing ringed"]),
        ("rows.jsonl", b'{"island": "Dream", "bill": 4, "ringed": null}\n', ["line 1: ringed: the value is missing"]),
        ("rows.jsonl", b'{"island": "Dream", "bill": "4", "ringed": true}\n', ['line 1: bill: "4" is not a number']),
        ("rows.jsonl", b'{"island": "Dream", "bill": true, "ringed": true}\n', ["line 1: bill: true is not a number"]),
        (
            "rows.jsonl",
            b'{"island": "\\ud800", "bill": 1, "ringed": true}\n',
            ["line 1: island:", "a tensor of strings cannot hold"],
        ),
        ("rows.jsonl", b'["Dream", 1, 2, [], 2007]\n', ["line 1: ringed: [] is not a number"]),
        ("rows.csv.gz", b"island", ["rows.csv.gz cannot be read: Not a gzipped file"]),
        (
            "rows.csv.gz",
            gzip.compress(WITHOUT_HEADER.encode())[:-12],
            ["rows.csv.gz is damaged: Compressed file ended"],
        ),
        ("rows.csv.gz", gzip.compress(WITHOUT_HEADER.encode())[:10] + b"\xff" * 90, ["rows.csv.gz is damaged"]),
        ("rows.csv.gz", gzip.compress(b"\xff,1"), ["rows.csv.gz is not UTF-8 text"]),
    ],
)
def test_bad_files(command: Command, tmp_path: Path, name: str, content: bytes, parts: list[str]) -> None:
    rows = tmp_path / name
    rows.write_bytes(content)
    result = command(main, PENGUINS, "--input", rows)
    assert_one_line(result, 1, *parts)


def test_a_header_of_texts_alone(command: Command, tmp_path: Path) -> None:
    """Any line is a row of texts; one that names some features is not."""
    rows = tmp_path / "rows.csv"
    rows.write_text("island,species\nDream,a\n")
    assert_one_line(
        command(main, ISLANDS, "--input", rows), 1, "'island' looks like the name of a feature", "lacks year"
    )
    rows.write_text("Dream,2007\nFoo,\n")
    assert command(main, ISLANDS, "--input", rows).out == command(main, ISLANDS, "Dream", 2007).out + (
        command(main, ISLANDS, "Foo", "").out
    )


def test_flag_unseen(command: Command, tmp_path: Path) -> None:
    flags = "island: 'Foo' was not seen in training; mass: 9000 is far above the 6300 seen in training"
    row = ["Foo", 40, 9000, 1, 2007]
    plain = command(main, PENGUINS, *row).out.rstrip("\n")
    assert command(main, PENGUINS, *row, "--flag-unseen") == (0, f"{plain}  unseen: {flags}\n", "")
    rows = tmp_path / "rows.csv"
    rows.write_text("Foo,40,9000,1,2007\nDream,40,3000,1,2007\n")
    first, second = command(main, PENGUINS, "--input", rows, "--flag-unseen").out.splitlines()
    assert first == f"{plain}  unseen: {flags}"
    assert "unseen" not in second
    answers = command(main, PENGUINS, "--input", rows, "--flag-unseen", "--format", "json").out.splitlines()
    assert [json.loads(line)["unseen"] for line in answers] == [
        dict(reason.split(": ", 1) for reason in flags.split("; ")),
        {},
    ]
    table = command(main, PENGUINS, "--input", rows, "--flag-unseen", "--format", "csv").out
    assert [line["unseen"] for line in csv.DictReader(io.StringIO(table))] == [flags, ""]
    assert "unseen" not in command(main, PENGUINS, "--input", rows, "--format", "csv").out
    assert "unseen" not in command(main, PENGUINS, *row, "--format", "json").out


def test_regression(command: Command, tmp_path: Path) -> None:
    assert command(main, MASS, 40, 20) == (0, "value 3090\n", "")
    assert command(main, MASS, "depth=NA", "bill=40.123456") == (0, "value 3177.61\n", "")
    answer = command(main, MASS, 40.123456, "", "--format", "json").out
    assert json.loads(answer) == {"value": pytest.approx(3177.611, abs=1e-3)}
    assert len(answer) < 24
    assert command(main, MASS, "inf", 0, "--format", "json").out == '{"value": null}\n'
    rows = tmp_path / "rows.csv"
    rows.write_text("mass,depth,bill\n1,20,40\n2,,1000\n")
    assert command(main, MASS, "--input", rows, "--format", "csv").out == "value\n3090.0\n89566.5\n"
    flagged = command(main, MASS, "--input", rows, "--format", "csv", "--flag-unseen").out
    assert flagged == "value,unseen\n3090.0,\n89566.5,bill: 1000 is far above the 60 seen in training\n"


def test_describe(command: Command, tmp_path: Path) -> None:
    text = command(main, PENGUINS, "--describe").out
    assert "input     text: string [batch, 2]\n" in text
    start = text.index("feature ")
    assert text[start : text.index("provider")].splitlines() == [
        'feature   island: categorical, Biscoe, Dream, Torgersen, Ö=1, "ö", no gaps in training',
        "feature   bill: numeric, 32 to 60 in training, no gaps in training",
        "feature   mass: numeric, 2700 to 6300 in training, 1% missing in training",
        "feature   ringed: boolean",
        "feature   year: categorical, 2007, 2008, 2009, 25% missing in training",
    ]
    described = json.loads(command(main, PENGUINS, "--describe", "--format", "json").out)
    assert described["signature"] == tables.PENGUINS.to_dict()
    mass = command(main, MASS, "--describe").out
    assert "task      regression\nvalue     " in mass
    assert "labels" not in mass


def test_describe_many_categories(
    command: Command, tmp_path: Path, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    plain = tables.ISLANDS.to_dict()
    plain["inputs"][0]["features"][0] |= {
        "categories": ["c \n0", *(f"c{number}" for number in range(1, 47))],
        "missing": 0.0004,
    }
    model = tmp_path / "model.onnx"
    model.write_bytes(with_metadata(ISLANDS.read_bytes(), "edge_predict.signature", json.dumps(plain)))
    shown = "c 0, " + ", ".join(f"c{number}" for number in range(1, 10))
    line = f"island: categorical, {shown}, ... 37 more, less than 0.1% missing in training\n"
    assert line in command(main, model, "--describe").out
