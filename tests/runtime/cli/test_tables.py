"""Tables at the shell: options, messages, exit codes, pipes."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import conformal_models
import pytest
from commands import assert_one_line
from paths import MODELS

from edge_runtime.cli.command import main

parquet = pytest.importorskip("pyarrow.parquet")

MODEL, OUTPUTS = MODELS / "four_blobs.onnx", MODELS / "outputs.onnx"

Command = Callable[..., Any]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("id;x1;x2\n7;-1,5;1\n8;a;1\n9;b;1\n")
    return path


def test_bad_rows_are_shown_and_counted(command: Command, rows: Path) -> None:
    target = rows.with_name("a.parquet")
    result = command(main, MODEL, "--input", rows, "--output", target, "--keep", "id")
    assert (result.code, result.out) == (1, "")
    lines = result.err.splitlines()
    assert lines[0] == "3 rows: 1 scored, 2 rejected"
    assert any(line.startswith(f"{rows} line 3: x1: 'a' is not") for line in lines)
    assert lines[-1] == "error: 2 rows of 3 were not answered; --rejects FILE keeps them"
    assert parquet.read_table(target)["id"].to_pylist() == ["7"]


def test_rejects_and_a_summary(command: Command, rows: Path) -> None:
    rejects, summary = rows.with_name("bad.csv"), rows.with_name("s.json")
    words = ["--input", rows, "--rejects", rejects, "--summary", summary, "--format", "json"]
    result = command(main, MODEL, *words)
    assert result.code == 0
    assert json.loads(result.out)["label"] == 1
    assert rejects.read_text().splitlines()[1].startswith("2,x1,")
    assert rejects.read_text().splitlines()[1].endswith("8;a;1")
    assert json.loads(summary.read_text())["rejected"] == 2


def test_strict(command: Command, rows: Path) -> None:
    result = command(main, MODEL, "--input", rows, "--strict", "--output", rows.with_name("a.csv"))
    assert f"error: {rows} line 3: x1: 'a' is not" in result.err
    assert (result.code, [path.name for path in rows.parent.iterdir()]) == (1, ["rows.csv"])


def test_a_model_without_a_signature(command: Command, rows: Path) -> None:
    rows.write_text("a,b\n1,2\n")
    result = command(main, OUTPUTS, "--input", rows, "--format", "csv")
    assert result == (0, "y_0,y_1,largest,positive_0,positive_1\n" + result.out.splitlines()[1] + "\n", "")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--resume"], "--resume goes on with the file of --output"),
        (["--strict", "--rejects", "b.csv"], "--strict stops at the first row"),
        (["--output", "a.csv", "--format", "json"], "--format is for stdout"),
        (["--rejects", "a.jsonl"], "--rejects a.jsonl: the rejected rows are written as CSV, so its name must end in"),
        (["--rejects", "a.csv.gz"], "so its name must end in .csv"),
        (["--output", "a.xls"], "its name must end in .csv"),
        (["--keep", ""], "--keep takes the names of columns"),
        (["--engine", "spark"], "--engine is ray, found 'spark'"),
        (["--address", "auto"], "are those of a cluster, with --engine ray"),
        (["--output", "a.npz", "--keep", "id"], "is for raw outputs, and --keep for answers"),
    ],
)
def test_wrong_usage(command: Command, rows: Path, words: list[str], part: str) -> None:
    assert_one_line(command(main, MODEL, "--input", rows, *words), 2, part)


def test_bulk_options_need_a_source(command: Command) -> None:
    assert_one_line(command(main, MODEL, 1, 1, "--keep", "id"), 2, "--keep needs --input FILE")


def test_each_line_of_a_pipe_is_answered_as_it_comes() -> None:
    words = [sys.executable, "-m", "edge_runtime", str(MODEL), "--input", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as process:  # type: ignore[call-overload]
        for _ in range(3):
            process.stdin.write("-1,1\n")
            process.stdin.flush()
            assert process.stdout.readline() == "label 1  probability 0.9927\n"
        process.stdin.write("x,1\n" + "1,1\n" * 10_000)
        process.stdin.close()
        assert process.stdout.read() == "label 0  probability 0.9785\n" * 10_000
        assert process.stderr.read().splitlines()[-1].startswith("error: 1 row of 10,004 was not answered")
    assert process.returncode == 1


def test_intervals_in_a_table(command: Command, tmp_path: Path) -> None:
    model, masses, target = tmp_path / "values.onnx", tmp_path / "masses.csv", tmp_path / "answers.csv"
    model.write_bytes(conformal_models.values())
    masses.write_text("bill,depth\n40,15\n50,\n")
    assert command(main, model, "--input", masses, "--interval", 0.5, "--output", target).code == 0
    header, first, _ = csv.reader(target.read_text().splitlines())
    assert header == ["value", "lower", "upper"]
    assert [float(cell) - float(first[0]) for cell in first[1:]] == pytest.approx([-10, 10], abs=1e-3)
