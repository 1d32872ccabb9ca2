"""Tables that would take memory without bound, or end the process in Arrow."""

import gzip
import os
import socket
import sys
from pathlib import Path

import pytest
from bounded import run_bounded

from edge_runtime import Limits
from edge_train import TableError, read_table

FLAT = b'{"a": 1, "b": "x"}\n'
MIB = 1 << 20


def written(folder: Path, content: bytes, name: str = "table.jsonl") -> Path:
    (folder / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    return folder / name


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
@pytest.mark.parametrize(
    "deep",
    [
        b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n",
        b'{"a": ' * 20_000,
        b"[\n" * 20_000,
        b'{"a":\n' * 20_000,
        b"]" * 20_000 + b"\n" + b"[" * 20_000,
        b'"\n' + b"[" * 20_000,
        b'{"a": "\\"", "b": ' + b"[" * 20_000,
    ],
    ids=[
        "a list",
        "objects",
        "over lines",
        "objects over lines",
        "closed before",
        "an open string",
        "quoted",
    ],
)
def test_nesting_is_found_before_arrow_reads_it(tmp_path: Path, deep: bytes, name: str) -> None:
    # At the beginning, behind much else, and at the end without a line break.
    for before, after in ((b"", FLAT), (FLAT * 70_000, FLAT), (FLAT * 70_000, b"")):
        path = written(tmp_path, before + deep.rstrip() + (b"\n" + after if after else b""), name)
        # What is not an object by itself is refused for that.
        message = r"nested deeper than 100 levels; .*--limit json_depth=\.\.\.|line \d+: not (JSON|an object)"
        with pytest.raises(TableError, match=message):
            read_table(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1, "b": "[[[[{{{{"}\n',
        b'{"a": 1, "b": "\\"}\\\\"}\r\n',
        b'{"b": "x", "a": 1}{"a": 2}\n',
        b'{"a":\n1}\n\n',
        b'{"c": [' + b"[1], " * 150 + b"[2]]}\n",
    ],
    ids=["brackets in strings", "quotes", "two on a line", "an object over lines", "many lists on a line"],
)
def test_what_only_looks_deep_is_read(tmp_path: Path, line: bytes) -> None:
    count = 2_000_000 // len(line)
    for content in (line * count, FLAT + line * count + FLAT):
        table = read_table(written(tmp_path, content))
        assert set(table.column_names) <= {"a", "b", "c"}
        assert table.num_rows >= count


@pytest.mark.parametrize("line", [b'{"a": {"b": 1}\n', b'{"a": [{"b": 1}\n', b'{"a": {"b": 1}\r\n', b'{"a": "{}\n'])
def test_lines_that_never_close_what_they_open(tmp_path: Path, line: bytes) -> None:
    for before in (b"", FLAT):
        with pytest.raises(TableError, match="not JSON"):
            read_table(written(tmp_path, before + line * 20_000))


def test_levels_up_to_the_limit(tmp_path: Path) -> None:
    path = written(tmp_path, (b'{"a": ' + b"[" * 4 + b"]" * 4 + b', "b": 1}\n') * 30_000)
    assert read_table(path, Limits(json_depth=5)).num_rows == 30_000
    with pytest.raises(TableError, match="deeper than 4 levels"):
        read_table(path, Limits(json_depth=4))


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_lines_up_to_the_limit(tmp_path: Path, name: str) -> None:
    longest = b'{"a": 1, "b": "' + b"x" * 3_000_000 + b'"}\n'
    path = written(tmp_path, FLAT * 1000 + longest + FLAT, name)
    assert read_table(path, Limits(line_bytes=len(longest) - 1)).num_rows == 1002
    for most in (len(longest) - 2, 1000):
        with pytest.raises(TableError, match=f"has a line of more than {most:,} bytes; .*--limit line_bytes="):
            read_table(path, Limits(line_bytes=most))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv.gz", b"a,b\n" + b"1,2\n" * 1_000_000),
        ("table.csv.gz", b"a,b\n" + b"1,2\n" * 200_000 + b"\n" * 3_000_000),
        ("table.jsonl.gz", FLAT * 200_000),
        ("table.parquet.gz", bytes(4_000_000)),
    ],
)
def test_what_unpacks_to_more_than_the_limit(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path, content, name)
    with pytest.raises(TableError, match=r"holds more than 1,000,000 bytes; .*--limit unpacked_bytes=\.\.\."):
        read_table(path, Limits(unpacked_bytes=1_000_000))
    if "parquet" not in name:
        assert read_table(path, Limits(unpacked_bytes=len(content))).num_rows >= 200_000


def test_wide_rows_are_read_many_at_a_time(tmp_path: Path) -> None:
    # Whatever Arrow reads at a time costs memory for each column.
    columns = 20_000
    content = ",".join(f"a{column}" for column in range(columns)) + "\n" + ("," * (columns - 1) + "\n") * 200
    table = read_table(written(tmp_path, content.encode(), "wide.csv"))
    assert table.shape == (200, columns)
    assert table.column(0).num_chunks <= 4


def test_more_columns_than_the_limit(tmp_path: Path) -> None:
    names = [f"a{column}" for column in range(1_000_000)]
    for name, content in (
        ("table.csv", (",".join(names) + "\n" + "1," * 999_999 + "1\n").encode()),
        ("small.jsonl", b'{"a": 1, "b": 2, "c": 3}\n'),
    ):
        limits = Limits(columns=2) if name == "small.jsonl" else Limits()
        with pytest.raises(TableError, match=r"columns, more than .*--limit columns=\.\.\."):
            read_table(written(tmp_path, content, name), limits)


@pytest.mark.skipif(sys.platform != "linux", reason="its devices, and its way to measure memory")
def test_what_is_not_a_file(tmp_path: Path) -> None:
    for device in ("/dev/zero", "/dev/urandom", "/dev/full"):
        with pytest.raises(TableError, match="it is a device, not a file"):
            read_table(device)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(TableError, match="nobody has written to this pipe"):
        read_table(tmp_path / "pipe.csv", Limits(pipe_seconds=0.05))
    source, target = os.pipe()
    os.write(target, b"a,b\n1,2\n")
    os.close(target)
    with pytest.raises(TableError, match="is a pipe, and a table is read more than once; save it in a file"):
        read_table(f"/dev/fd/{source}")
    os.close(source)
    for name in ("holes.csv", "holes.jsonl", "holes.parquet"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10**12)
        with pytest.raises(TableError):
            read_table(tmp_path / name, Limits(line_bytes=MIB))


@pytest.mark.skipif(sys.platform != "linux", reason="its files of processes")
def test_links_sockets_and_files_without_a_size(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.csv"))
        for name in ("loop.csv", "socket.csv", "x" * 5000, "/proc/self/mem"):
            with pytest.raises(TableError, match="cannot be read: "):
                read_table(tmp_path / name)
    # Of size 0, and yet with content.
    with pytest.raises(TableError, match="a null in it"):
        read_table("/proc/self/environ")


@pytest.mark.skipif(sys.platform != "linux", reason="its way to measure memory")
def test_the_command_in_bounded_memory(tmp_path: Path) -> None:
    files = {
        "bomb.csv.gz": b"a,b\n" + b"1,2\n" * 50_000_000,
        "cell.csv.gz": b'a,b\n"' + b"1" * 300 * MIB,
        "deep.jsonl": b'{"a": 1, "b": ' + b"[" * 20_000 + b"\n",
    }
    for name, content in files.items():
        path = written(tmp_path, content, name)
        output = tmp_path / "output"
        result = run_bounded("edge_train", path, "--target", "b", "--output", output, "--limit", "unpacked_bytes=50MB")
        assert (result.code, result.err.count("\n"), result.out) == (1, 1, ""), result
        assert len(result.err) < 500
        assert result.peak < 700 * MIB
        assert not list(output.glob("*"))
