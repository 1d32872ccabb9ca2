import functools
import gzip
import os
from pathlib import Path

import pytest

from edge_runtime import InvalidInput, InvalidModel
from edge_runtime.contract.text_files import delimiter_of, open_text, reading_text

TEXT = "Île,\r\nö"

# Without the time, which would be in the names of tests: processes that share them out must find the same names.
compressed = functools.partial(gzip.compress, mtime=0)


def read(path: Path | str) -> str:
    with reading_text(path, InvalidInput), open_text(str(path)) as text:
        return text.read()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf8_with_or_without_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    content = (mark + TEXT).encode()
    for name, stored in (
        ("rows.csv", content),
        ("rows.csv.gz", compressed(content)),
        ("ROWS.GZ", compressed(content)),
    ):
        (tmp_path / name).write_bytes(stored)
        # The ends of lines stay as they are: CSV may hold them in a cell.
        assert read(tmp_path / name) == TEXT


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", None, "rows.csv: no such file"),
        ("rows.csv", b"a\xff", "rows.csv is not UTF-8 text: invalid start byte at byte 1"),
        (
            "rows.csv",
            b"PAR1\x15\x04",
            "rows.csv is a Parquet file, but rows must be CSV, TSV or JSON Lines; save them as one of these, "
            "or pass a data frame to Predictor.predict",
        ),
        ("rows.csv.gz", b"plain", "rows.csv.gz cannot be read: Not a gzipped file"),
        ("rows.csv.gz", compressed(b"a")[:-1], "rows.csv.gz is damaged: Compressed file ended"),
        ("rows.csv.gz", compressed(b"")[:10] + b"\xff" * 90, "rows.csv.gz is damaged: Error -3"),
    ],
    ids=["absent", "not UTF-8", "Parquet", "not gzip", "truncated", "damaged"],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path / name)
    assert message in str(raised.value)


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_the_kind_of_error_is_the_callers() -> None:
    with pytest.raises(InvalidModel), reading_text("rows", InvalidModel):
        raise EOFError


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_read_only_once() -> None:
    source, target = os.pipe()
    os.write(target, b"PAR1 is its first cell")
    os.close(target)
    assert read(f"/dev/fd/{source}") == "PAR1 is its first cell"
    os.close(source)


@pytest.mark.parametrize(
    ("path", "delimiter"),
    [
        ("a.tsv", "\t"),
        ("a.TAB", "\t"),
        ("a.tsv.gz", "\t"),
        ("a.csv", None),
        ("a.txt", None),
        ("tsv", None),
        ("-", None),
    ],
)
def test_delimiters(path: str, delimiter: str | None) -> None:
    assert delimiter_of(path) == delimiter
