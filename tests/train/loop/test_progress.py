"""Runs that are killed and resumed, and runs of several processes."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge_train import Checkpointer, CheckpointError, load_checkpoint
from edge_train.cli.command import main
from edge_train.loop.progress import Progress

TRAIN = [sys.executable, "-m", "edge_train", "table.csv", "--target", "y", "--hidden", "8", "--batch-size", "32"]


@pytest.fixture(autouse=True)
def in_folder_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("table.csv"))


def write(path: Path, seed: int = 0) -> None:
    rows = np.random.default_rng(seed)
    lines = ["a,b,y"]
    for _ in range(203):
        a, b = rows.normal(), rows.integers(0, 12)
        lines.append(f"{'' if b == 3 else round(a, 4)},city {b},{'yes' if a + b % 2 + rows.normal() > 0 else 'no'}")
    path.write_text("\n".join(lines) + "\n")


def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_bytes() -> None:
    options = ["--epochs", "3000", "--patience", "2900", "--checkpoint", "run", "--resume", "--output"]
    start = time.monotonic()
    with subprocess.Popen([TRAIN[0], "-u", *TRAIN[1:], *options, "whole"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"epoch"):
            pass
        begins = time.monotonic() - start
        process.stdout.read()
    shutil.rmtree("run")
    moments = random.Random(0)
    for _ in range(10):
        with subprocess.Popen([*TRAIN, *options, "parts"], stdout=subprocess.DEVNULL) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(begins + moments.uniform(-0.8, 0.3))
            process.kill()
    assert Path("run/training.pt").exists()
    assert not Path("parts/model.pt").exists()
    subprocess.run([*TRAIN, *options, "parts"], check=True, capture_output=True)
    assert Path("whole/model.pt").read_bytes() == Path("parts/model.pt").read_bytes()
    assert Path("whole/metrics.json").read_bytes() == Path("parts/metrics.json").read_bytes()
    assert [path.name for path in Path("run").iterdir()] == ["training.pt"]


QUICK = ["--hidden", "8", "--batch-size", "32", "--target", "y", "--checkpoint", "run"]


def interrupted(monkeypatch: pytest.MonkeyPatch, command: Any, *options: str, after: int = 3) -> None:
    """A run that ends with Ctrl-C after some epochs."""
    kept = Checkpointer.keep

    def keep(self: Checkpointer, run: str, progress: Progress) -> None:
        self._next = 0.0
        kept(self, run, progress)
        if progress.epoch == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "keep", keep)
        assert command(main, "table.csv", *QUICK, *options).code == 130


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "12"],
        ["--epochs", "40", "--patience", "3"],
        ["--epochs", "12", "--optimizer", "sgd", "--dropout", "0.5"],
        ["--epochs", "12", "--validation", "0", "--class-weight", "balanced"],
    ],
)
def test_resumed_after_any_epoch(command: Any, monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    assert command(main, "table.csv", *QUICK, *options, "--output", "whole").code == 0
    for after in (1, 2, 5):
        shutil.rmtree("run")
        interrupted(monkeypatch, command, *options, after=after)
        assert command(main, "table.csv", *QUICK, *options, "--resume", "--output", "parts").code == 0
        for name in ("model.pt", "metrics.json"):
            assert (Path("whole") / name).read_bytes() == (Path("parts") / name).read_bytes()


def test_another_run_is_not_resumed(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(monkeypatch, command, "--epochs", "9")
    write(Path("other.csv"), seed=1)
    Path("renamed.csv").write_text(Path("table.csv").read_text().replace("yes", "oui"))
    Path("column.csv").write_text(Path("table.csv").read_text().replace("a,b,y", "c,b,y"))
    for table, options in (
        ("table.csv", ["--epochs", "10"]),
        ("table.csv", ["--epochs", "9", "--seed", "1"]),
        ("table.csv", ["--epochs", "9", "--learning-rate", "0.5"]),
        ("table.csv", ["--epochs", "9", "--hidden", "8,8"]),
        ("table.csv", ["--epochs", "9", "--drop", "b"]),
        ("other.csv", ["--epochs", "9"]),
        ("renamed.csv", ["--epochs", "9"]),
        ("column.csv", ["--epochs", "9"]),
    ):
        result = command(main, table, *QUICK, *options, "--resume", "--output", "new")
        assert result.code == 1
        assert "is a run with another table, other options or another torch" in result.err
        assert not Path("new/model.pt").exists()
    assert command(main, "table.csv", *QUICK, "--epochs", "9", "--resume").code == 0


def test_an_unfinished_run_is_not_lost_but_a_finished_one_is_replaced(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, command, "--epochs", "9")
    result = command(main, "table.csv", *QUICK, "--epochs", "9")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "go on with --resume, or remove it" in result.err
    assert command(main, "table.csv", *QUICK, "--epochs", "9", "--resume").code == 0
    first = Path("model.pt").read_bytes()
    assert command(main, "table.csv", *QUICK, "--epochs", "9", "--resume").code == 0
    assert Path("model.pt").read_bytes() == first
    assert command(main, "table.csv", *QUICK, "--epochs", "9", "--seed", "1").code == 0
    assert Path("model.pt").read_bytes() != first


def test_a_damaged_file(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(monkeypatch, command, "--epochs", "9")
    path = Path("run/training.pt")
    content = path.read_bytes()
    for damaged in (b"", b"junk", content[: len(content) // 2]):
        path.write_bytes(damaged)
        for options in ([], ["--resume"]):
            result = command(main, "table.csv", *QUICK, "--epochs", "9", *options)
            assert (result.code, result.err.count("\n")) == (1, 1)
            assert "no training run, or a damaged one; remove it" in result.err
        assert path.read_bytes() == damaged
    torch.save({"weights": 1}, path)
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpointer(Path("run"), resume=True).earlier("any")


def test_what_a_killed_run_was_writing_is_cleared_away() -> None:
    Path("run").mkdir()
    Path("run/.training.pt.abc.tmp").touch()
    Checkpointer(Path("run"), resume=False)
    assert list(Path("run").iterdir()) == []


@pytest.mark.parametrize("options", [["--dropout", "0"], ["--dropout", "0.3", "--class-weight", "balanced"]])
def test_two_processes_come_to_what_one_comes_to(options: list[str]) -> None:
    # 203 rows leave an odd batch at the end of an epoch.
    common = ["--epochs", "4", "--optimizer", "sgd", "--batch-size", "33", *options, "--output"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *TRAIN[1:]]
    two = subprocess.run([*torchrun, *common, "two"], capture_output=True, text=True, timeout=120)
    assert two.returncode == 0, two.stderr
    one = subprocess.run([*TRAIN, *common, "one"], capture_output=True, text=True, check=True)
    assert two.stdout.replace("two/", "one/") == one.stdout
    first, second = (load_checkpoint(Path(name) / "model.pt") for name in ("one", "two"))
    assert first.signature == second.signature
    for key, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[key], value, rtol=1e-4, atol=1e-6)
