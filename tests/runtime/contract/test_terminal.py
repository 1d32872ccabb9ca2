from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.terminal import aligned, counted, one_line, printable, suggestion, unreadable


@given(st.text())
def test_what_is_printed_controls_no_terminal_and_is_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len((shown + " ").splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Île Sud, 日本語 🙂", "Île Sud, 日本語 🙂"),
        ("mass\npassed: 999 reference rows", "mass\\npassed: 999 reference rows"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("\udc80", "\\udc80"),
        (5, "5"),
    ],
)
def test_escapes(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_messages_of_other_libraries() -> None:
    assert one_line(ValueError("of\n  several\r\n\tlines\n")) == "of several lines"
    assert one_line("a node\x1b[2J\nand its\x07 name") == "a node\\x1b[2J and its\\x07 name"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1, "1 byte"),
        (1.0, "1 byte"),
        (0, "0 bytes"),
        (2, "2 bytes"),
        (0.5, "0.5 bytes"),
        (2_000_000.0, "2,000,000 bytes"),
    ],
)
def test_what_is_counted_is_one_or_many(number: float, shown: str) -> None:
    assert counted(number, "byte") == shown
    assert counted(number, "byte", "bytes") == shown


def test_another_plural() -> None:
    assert [counted(number, "batch", "batches") for number in (1, 2)] == ["1 batch", "2 batches"]


def test_columns_stand_below_each_other() -> None:
    rows = [("column", "rows", ""), ("a", "1,000", "x"), ("a\nb", "7", "")]
    assert aligned(rows, right=(1,)) == ["column   rows", "a       1,000  x", "a\\nb        7"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("specis", "; did you mean 'species'?"),
        ("SPECIES", "; did you mean 'species'?"),
        ("bill_m", "; did you mean 'Bill_mm'?"),
        ("zebra", ""),
        ("", ""),
        ("iland", "; did you mean 'island'?"),
        # Escaped once, and in quotes that fit.
        ("b\x1b[31mre", "; did you mean 'b\\x1b[31mred'?"),
        ("it's", '; did you mean "it\'s"?'),
        ("CUDAExecutionProvidr", "; did you mean 'CUDAExecutionProvider'?"),
        ("--reprt", ""),
        ("--islnd", "; did you mean 'island'?"),
        ("CoreMLExecutionProvidr", ""),
    ],
)
def test_suggestion(word: str, meant: str) -> None:
    known = [
        "species",
        "Bill_mm",
        "island",
        "b\x1b[31mred",
        "it's",
        "--dropout",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ]
    assert suggestion(word, known) == meant


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "modle.onnx", FileNotFoundError()) == f"{tmp_path / 'modle.onnx'}: no such file"
    (tmp_path / "model.onnx").touch()
    assert unreadable(tmp_path / "modle.onnx", FileNotFoundError()) == (
        f"{tmp_path / 'modle.onnx'}: no such file; did you mean 'model.onnx'?"
    )
    assert unreadable(tmp_path / "rows.csv", FileNotFoundError()) == f"{tmp_path / 'rows.csv'}: no such file"
    (tmp_path / "link.onnx").symlink_to("mo\ndel.onnx")
    assert unreadable(tmp_path / "link.onnx", FileNotFoundError()) == (
        f"{tmp_path / 'link.onnx'} is a link to mo\\ndel.onnx, and there is no such file"
    )
    assert unreadable(tmp_path / "a\nb", FileNotFoundError()) == f"{tmp_path}/a\\nb: no such file"
    nowhere = tmp_path / "nowhere" / "model.onnx"
    assert unreadable(nowhere, FileNotFoundError()) == f"{nowhere}: no such file"
