"""Which files a source is, and what they are."""

from pathlib import Path

import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.tables.files import ending_of, find_files, kind_of
from edge_runtime.tables.table import open_table


def test_folders_patterns_and_lists(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    for name in ("b.csv", "a.csv.gz", "day/c.parquet", "_SUCCESS", ".hidden.csv", "_old.csv", "notes.md"):
        (tmp_path / name).touch()
    assert find_files(tmp_path) == [str(tmp_path / name) for name in ("a.csv.gz", "b.csv", "day/c.parquet")]
    assert find_files(str(tmp_path / "*.csv")) == [str(tmp_path / "_old.csv"), str(tmp_path / "b.csv")]
    assert find_files(f"{tmp_path}/**/*.parquet") == [str(tmp_path / "day/c.parquet")]
    assert find_files([tmp_path / "b.csv", "-"]) == [str(tmp_path / "b.csv"), "-"]


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").touch()
    assert find_files(tmp_path / "a[1].csv") == [str(tmp_path / "a[1].csv")]


def test_no_files(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    with pytest.raises(InvalidInput, match=r"no such file; did you mean 'table\.csv'"):
        open_table(tmp_path / "tabel.csv")
    with pytest.raises(InvalidInput, match="no file matches"):
        find_files(str(tmp_path / "*.tsv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"has no file that ends in \.csv"):
        find_files(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("a.csv", b"x,y", "csv"),
        ("a", b"x,y", "csv"),
        ("A.TSV.GZ", b"x\ty", "csv"),
        ("a.csv", b"{x},y", "csv"),
        ("a.csv", b"PAR1\x15", "parquet"),
        ("a.parquet", b"junk", "parquet"),
        ("a.jsonl.zst", b"", "json"),
        ("-", b' \n{"a": 1}', "json"),
        ("-", b'\xef\xbb\xbf[{"a": 1}]', "json"),
        ("a.bin", b"ARROW1\0\0", "feather"),
        ("a.bin", b"\xff\xff\xff\xff\x10", "stream"),
    ],
)
def test_kinds(name: str, start: bytes, kind: str) -> None:
    assert kind_of(name, start) == kind


def test_endings() -> None:
    assert [ending_of(name) for name in ("a.CSV", "a.b.csv.gz", "a.gz", "a")] == [".csv", ".csv", "", ""]
