"""Runs that are killed at any moment and resumed: what they leave is what an undisturbed run leaves."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.feather
import pyarrow.parquet
import pytest
from concurrency import HANG
from paths import MODELS

from edge_runtime import CannotWrite, InvalidInput, Predictor, score
from edge_runtime.scoring import job

FOUR = Predictor(MODELS / "four_blobs.onnx")
# Small blocks, and a commit after each, so that every moment is one between commits.
PROGRAM = """
import sys, time
from edge_runtime.cli.command import main
from edge_runtime.scoring import job
from edge_runtime.tables import csv_files
csv_files._BLOCK, job._BETWEEN_COMMITS = 20_000, 0
write = job.Job._write
def slow(self, *arguments):
    write(self, *arguments)
    if "--resume" in sys.argv:
        print("written", flush=True)
        time.sleep(0.01)
job.Job._write = slow
sys.exit(main(sys.argv[1:]))
"""


def write_rows(path: Path, rows: int) -> None:
    lines = (f"{row},{row % 97 / 10},{'x' if row % 331 == 0 else row % 89 / 10}\n" for row in range(rows))
    path.write_text("id,x1,x2\n" + "".join(lines))


def content(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    return path.read_bytes()


def killed_and_resumed(folder: Path, name: str, kills: int) -> int:
    """Score with `kills` kills, and return how many of them came in the middle."""
    rows, target, rejects, summary = (folder / one for one in ("rows.csv", name, "rejects.csv", "summary.json"))
    words = [sys.executable, "-c", PROGRAM, MODELS / "four_blobs.onnx", "--input", rows, "--output", target]
    words += ["--keep", "id", "--rejects", rejects, "--summary", summary]
    # An undisturbed run with blocks of the same size, which are packed by themselves.
    subprocess.run(list(map(str, words)), check=True, timeout=HANG, stdout=subprocess.DEVNULL)
    expected = [content(one) for one in (target, rejects, summary)]
    for one in (target, rejects, summary):
        one.unlink()
    words.append("--resume")
    random.seed(name)
    in_the_middle = 0
    for _ in range(kills):
        with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(random.randint(0, 4)):
                process.stdout.readline()
            time.sleep(random.random() / 50)
            process.kill()
        in_the_middle += process.returncode == -signal.SIGKILL
        assert target.exists() == (process.returncode == 0)
    subprocess.run(list(map(str, words)), check=True, timeout=HANG, stdout=subprocess.DEVNULL)
    for one, other in zip((target, rejects, summary), expected, strict=True):
        found = content(one)
        assert found == other if isinstance(other, bytes) else found.equals(other), one
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "rejects.csv", "rows.csv", "summary.json"])
    return in_the_middle


@pytest.mark.skipif(os.name == "nt", reason="processes are killed by a signal")
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_two_kills(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / "rows.csv", 20_000)
    assert killed_and_resumed(tmp_path, name, 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are killed by a signal")
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.parquet", "a.feather"])
def test_twenty_kills(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / "rows.csv", 150_000)
    assert killed_and_resumed(tmp_path, name, 20) > 10


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The source and the target of a run that was interrupted in the middle."""
    rows, target = tmp_path / "rows.csv", tmp_path / "a.csv"
    write_rows(rows, 5000)
    monkeypatch.setattr(job, "_BETWEEN_COMMITS", 0)
    write = job.Job._write

    def failing(self: Any, *arguments: Any) -> None:
        write(self, *arguments)
        if self.tally.scored > 1000:
            raise KeyboardInterrupt

    monkeypatch.setattr("edge_runtime.tables.csv_files._BLOCK", 10_000)
    with monkeypatch.context() as during:
        during.setattr(job.Job, "_write", failing)
        with pytest.raises(KeyboardInterrupt):
            score(FOUR, rows, target)
    assert not target.exists()
    return rows, target


def test_a_run_over_something_else_is_not_resumed(tmp_path: Path, interrupted: tuple[Path, Path]) -> None:
    rows, target = interrupted
    with pytest.raises(CannotWrite, match="had other options"):
        score(FOUR, rows, target, resume=True, keep=["id"])
    os.utime(rows)
    with pytest.raises(CannotWrite, match="the source has changed"):
        score(FOUR, rows, target, resume=True)
    assert score(FOUR, rows, target).rows == 5000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "rows.csv"]


@pytest.mark.parametrize("damage", [{"tally": {}}, {"place": {"nowhere": 1}}, {"schema": "????"}])
def test_a_damaged_journal(tmp_path: Path, interrupted: tuple[Path, Path], damage: dict[str, Any]) -> None:
    rows, target = interrupted
    (journal,) = (path for path in tmp_path.iterdir() if path.name.endswith(".journal"))
    journal.write_text(json.dumps(json.loads(journal.read_text()) | damage))
    with pytest.raises(CannotWrite, match="the journal is damaged; run without --resume to begin again"):
        score(FOUR, rows, target, resume=True)
    assert score(FOUR, rows, target).rows == 5000


def test_a_kept_column_of_json_whose_values_change_their_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [{"x1": 1, "x2": place, "kept": place if place < 1000 else [place]} for place in range(2000)]
    rows.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    monkeypatch.setattr("edge_runtime.tables.json_files._BLOCK", 10_000)
    with pytest.raises(InvalidInput, match="the column kept has values of several types, which parquet does not hold"):
        score(FOUR, rows, tmp_path / "a.parquet", keep=["kept"])
    assert not (tmp_path / "a.parquet").exists()
    # Those of the block in which both types are, are rejected.
    assert score(FOUR, rows, tmp_path / "a.jsonl", keep=["kept"]).scored > 1700
