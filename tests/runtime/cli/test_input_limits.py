"""Hostile files in the place of rows and tensors: a short line, and bounded memory."""

import functools
import gzip
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounded import run_bounded
from commands import assert_one_line
from paths import MODELS

from edge_runtime.cli.command import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its devices, and its way to measure memory")

PENGUINS, TENSORS = (MODELS / f"{name}.onnx" for name in ("penguins", "tensors"))

Command = Callable[..., Any]

run = functools.partial(run_bounded, "edge_runtime")

MIB = 1 << 20


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom", "/dev/full", "/proc/self/mem", "/proc/self/maps", "/"])
@pytest.mark.parametrize("model", [PENGUINS, TENSORS])
def test_what_is_not_a_file(command: Command, tmp_path: Path, path: str, model: Path) -> None:
    assert_one_line(command(main, model, "--input", path), 1)
    (tmp_path / "x.npz").symlink_to(path)
    assert_one_line(command(main, model, "--input", tmp_path / "x.npz"), 1)


def test_sockets_and_pipes(command: Command, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert_one_line(command(main, PENGUINS, "--input", tmp_path / "socket"), 1, "it is a socket, not a file")
    os.mkfifo(tmp_path / "pipe")
    result = command(main, PENGUINS, "--input", tmp_path / "pipe", "--limit", "pipe_seconds=0.05")
    assert_one_line(result, 1, "nobody has written to this pipe for 0.05 seconds; ", "--limit pipe_seconds=...")


def test_a_terabyte_of_holes(command: Command, tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.json", "x.npz", "x.npy"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10**12)
        for model in (PENGUINS, TENSORS):
            assert_one_line(command(main, model, "--input", tmp_path / name, "--limit", "line_bytes=1MiB"), 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.jsonl", b"[" * 20_000),
        ("deep.jsonl", b'{"a":' * 2_000_000),
        ("deep.json.gz", gzip.compress(b'{"x1":[' * 1_000_000, mtime=0)),
        ("digits.json", b"[" + b"1" * 1_000_000 + b"]"),
        ("large.json", b"[1e999999]"),
        ("words.json", b"[NaN, Infinity, -Infinity, 1]"),
        ("half.json", b'["\\ud800"]'),
        ("null.json", b'["\\u0000"]'),
        ("null.csv", b"\0" * 100_000),
        ("cell.csv", b'"' + b"a," * 1_000_000),
        ("line.csv", b"1," * 500_000),
        ("columns.csv", b",".join(b"a%d" % column for column in range(200_000)) + b"\n"),
        ("number.csv", b"1" * 100_000 + b",1\n"),
        ("bomb.csv.gz", gzip.compress(b"1" * 50 * MIB, mtime=0)),
        ("bomb.json.gz", gzip.compress(b"[" + b"1," * 25 * MIB, mtime=0)),
        ("members.csv.gz", gzip.compress(b"1" * MIB, mtime=0) * 50),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_texts(command: Command, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    for model in (PENGUINS, TENSORS):
        result = command(main, model, "--input", tmp_path / name, "--limit", "line_bytes=16MiB")
        assert_one_line(result, 1)
        assert len(result.err) < 1000


def test_stdin_without_a_line_break_is_bounded() -> None:
    for model, limit in (
        (PENGUINS, "a line of more than"),
        (TENSORS, "is longer than"),
    ):
        result = run(model, "--input", "-", "--limit", "line_bytes=8MiB", producer=["cat", "/dev/zero"])
        assert result.code == 1
        assert result.err.count("\n") == 1
        assert f"{limit} 8,388,608 " in result.err
        assert "; if you trust it, raise the limit: " in result.err
        assert result.peak < 400 * MIB


def test_bombs_are_bounded(tmp_path: Path) -> None:
    plain = run(PENGUINS, "--describe").peak
    rows = tmp_path / "bomb.csv.gz"
    rows.write_bytes(gzip.compress(b"\n" * 5 * MIB + b"1" * 400 * MIB, 1))
    result = run(PENGUINS, "--input", rows, "--limit", "line_bytes=8MiB")
    assert (result.code, result.err.count("\n")) == (1, 1), result
    # pyarrow takes some of it.
    assert result.peak < plain + 250 * MIB
    arrays = tmp_path / "bomb.npz"
    np.savez_compressed(arrays, x=np.zeros(100 * MIB))
    result = run(TENSORS, "--input", arrays, "--limit", "unpacked_bytes=100MiB")
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert "holds more than 104,857,600 bytes; " in result.err
    assert result.peak < plain + 150 * MIB


@pytest.mark.slow
def test_bombs_are_bounded_by_default(tmp_path: Path) -> None:
    rows = tmp_path / "bomb.csv.gz"
    with gzip.open(rows, "wb", 1) as file:
        for _ in range(1024):
            file.write(b"1" * MIB)
    result = run(PENGUINS, "--input", rows)
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert "has a line of more than 67,108,864 bytes; " in result.err
    assert result.peak < 500 * MIB


def test_a_real_pipe_is_read(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv.gz"
    rows.write_bytes(gzip.compress(b"Dream,40.5,3000,true,2007\n" * 10_000))
    answers = []
    for source in (f'"{rows}"', f'<(zcat "{rows}")', "/dev/stdin", "-"):
        command = f'zcat "{rows}" | "{sys.executable}" -m edge_runtime "{PENGUINS}" --input {source}'
        result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
        answers.append(result.stdout)
    assert len(set(answers)) == 1
    assert answers[0].count("\n") == 10_000
