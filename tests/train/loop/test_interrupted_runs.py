"""Runs that are killed at every kind of moment, or interrupted, and resumed end as if they had not been."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from warm_processes import SENT, Preparation, edge_train, send_signal, set_name

from edge_train import Checkpointer
from edge_train.cli.command import main
from edge_train.loop.progress import TrainingProgress

forks = pytest.mark.skipif(os.name == "nt", reason="signals and forks are POSIX")


@pytest.fixture(autouse=True)
def in_folder_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("table.csv"))


def write(path: Path, seed: int = 0) -> None:
    rows = np.random.default_rng(seed)
    lines = ["a,b,y"]
    for _ in range(200):
        a, b = rows.normal(), rows.integers(0, 12)
        lines.append(f"{'' if b == 3 else round(a, 4)},city {b},{'yes' if a + b % 2 + rows.normal() > 0 else 'no'}")
    path.write_text("\n".join(lines) + "\n")


# 200 rows that some members learn from are four batches of one size, whose step is recorded once.
QUICK = ["table.csv", "--target", "y", "--hidden", "8", "--batch-size", "50", "--checkpoint", "run"]
RESUMED = [*QUICK, "--epochs", "12", "--patience", "12", "--resume", "--output"]

# Without this, only a second's epochs are kept at a time.
EVERY_EPOCH = partial(set_name, "edge_train.loop.progress:_SECONDS", 0.0)
SAVE = "edge_train.loop.progress:Checkpointer.save"
MOVE = "pathlib:Path.replace"
EPOCH = "edge_train.loop.train:_Training._epoch"
MEASURE = "edge_train.cli.run:measure_answers"
# Where a process kills itself, and how many epochs are kept then, each going on from the one before.
FEW_EVENTS: list[tuple[str, dict[str, Any], int | None]] = [
    (SAVE, {"call": 1}, None),
    (MOVE, {"to": "training.pt", "call": 4}, 3),
    (MEASURE, {"call": 1}, 12),
    (MOVE, {"to": "model.pt", "call": 1, "after": True}, 12),
]
EVENTS: list[tuple[str, dict[str, Any], int | None]] = [
    (EPOCH, {"call": 1}, None),
    (SAVE, {"call": 1}, None),
    (MOVE, {"to": "training.pt", "call": 1}, None),
    (MOVE, {"to": "training.pt", "call": 3}, 2),
    (MOVE, {"to": "training.pt", "call": 1, "after": True}, 3),
    (EPOCH, {"call": 3}, 5),
    (EPOCH, {"call": 2, "after": True}, 6),
    (SAVE, {"call": 2, "after": True}, 8),
    (MOVE, {"to": "training.pt", "call": 4}, 11),
    (MEASURE, {"call": 1}, 12),
    (MOVE, {"to": "model.pt", "call": 1}, 12),
    (MOVE, {"to": "model.pt", "call": 1, "after": True}, 12),
]


def at(number: int, where: str, **event: Any) -> list[Preparation]:
    return [EVERY_EPOCH, partial(send_signal, number, where, **event)]


def epochs_kept() -> int | None:
    path = Path("run/training.pt")
    return torch.load(path, weights_only=True)["progress"]["epoch"] if path.exists() else None


@forks
@pytest.mark.parametrize("events", [FEW_EVENTS, pytest.param(EVENTS, marks=pytest.mark.slow)])
def test_killed_again_and_again_and_resumed_it_ends_with_the_same_bytes(events: Any) -> None:
    whole = edge_train(*RESUMED, "whole")
    assert (whole.code, whole.err) == (0, "")
    shutil.rmtree("run")
    for where, event, kept in events:
        result = edge_train(*RESUMED, "parts", prepare=at(signal.SIGKILL, where, **event))
        assert (result.code, result.err) == (-signal.SIGKILL, SENT), (where, event)
        assert epochs_kept() == kept, (where, event)
        assert Path("parts/model.pt").exists() == (event.get("to") == "model.pt" and event.get("after", False))
    assert not Path("parts/metrics.json").exists()
    last = edge_train(*RESUMED, "parts")
    assert (last.code, last.err) == (0, "")
    for name in ("model.pt", "metrics.json"):
        assert (Path("whole") / name).read_bytes() == (Path("parts") / name).read_bytes()
    assert [path.name for path in Path("run").iterdir()] == ["training.pt"]


@forks
def test_killed_while_it_distils_and_resumed_it_ends_with_the_same_bytes() -> None:
    few = partial(set_name, "edge_train.loop.distillation:_STEPS", 160)
    distil = [*RESUMED[:-1], "--distill", "--output"]
    assert edge_train(*distil, "whole", prepare=[few]).code == 0
    shutil.rmtree("run")
    kill = at(signal.SIGKILL, "edge_train.loop.distillation:_distilled", call=2)
    assert edge_train(*distil, "parts", prepare=[few, *kill]).code == -signal.SIGKILL
    assert epochs_kept() == 12
    last = edge_train(*distil, "parts", prepare=[few])
    assert (last.code, last.err) == (0, "")
    # The members that it was distilled from may be distilled at any time.
    assert edge_train(*RESUMED, "members").code == 0
    assert edge_train(*distil, "later", prepare=[few]).code == 0
    for name in ("model.pt", "metrics.json"):
        whole, members, *others = ((Path(one) / name).read_bytes() for one in ("whole", "members", "parts", "later"))
        assert others == [whole, whole]
        assert members != whole


@forks
@pytest.mark.parametrize(
    ("where", "event"),
    [
        ("edge_train.cli.data:read_table", {}),
        ("edge_train.cli.run:Progress.write", {"call": 3}),
        (SAVE, {"call": 2}),
        ("os:fsync", {"call": 2}),
        (MEASURE, {"after": True}),
        ("edge_train.cli.run:write_files", {}),
        (MOVE, {"to": "model.pt"}),
    ],
)
def test_interrupted_it_leaves_the_earlier_model_and_can_be_resumed(where: str, event: dict[str, Any]) -> None:
    Path("model.pt").write_bytes(b"earlier")
    result = edge_train(*RESUMED, ".", prepare=at(signal.SIGINT, where, **event))
    assert (result.code, result.err) == (130, SENT)
    assert Path("model.pt").read_bytes() == b"earlier"
    assert not list(Path().rglob("*.tmp"))
    assert not Path("metrics.json").exists()


@forks
def test_a_model_is_not_left_beside_the_measures_of_another() -> None:
    earlier = {"model.pt": b"earlier", "metrics.json": b"{}"}
    Path("plots").mkdir()
    Path("plots/roc.png").write_bytes(b"earlier")
    for name, content in earlier.items():
        Path(name).write_bytes(content)
    arguments = [*RESUMED, ".", "--plots", "plots"]
    event = {"to": "model.pt", "after": True}
    assert edge_train(*arguments, prepare=at(signal.SIGKILL, MOVE, **event)).code == -signal.SIGKILL
    assert Path("model.pt").read_bytes() != b"earlier"
    # The next run puts things right as soon as it begins, whatever becomes of it.
    assert edge_train(*arguments, prepare=at(signal.SIGKILL, MEASURE)).code == -signal.SIGKILL
    assert {name: Path(name).read_bytes() for name in earlier} == earlier
    assert [path.name for path in Path("plots").iterdir() if path.name[0] != "."] == ["roc.png"]
    assert Path("plots/roc.png").read_bytes() == b"earlier"
    assert edge_train(*arguments).code == 0
    assert not [path for path in Path().rglob(".*") if path.suffix in (".tmp", ".old", ".lock", ".journal")]


def interrupted(monkeypatch: pytest.MonkeyPatch, command: Any, *options: str, after: int = 3) -> None:
    """A run that ends with Ctrl-C after some epochs."""
    save = Checkpointer.save

    def saved(self: Checkpointer, run_sha256: str, progress: TrainingProgress) -> None:
        self._next = 0.0
        save(self, run_sha256, progress)
        if progress.epoch == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "save", saved)
        assert command(main, *QUICK, *options).code == 130
    assert epochs_kept() == after


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        (["--epochs", "6", "--optimizer", "sgd", "--dropout", "0.5", "--validation", "0"], (2,)),
        pytest.param(["--epochs", "12"], (1, 2, 5), marks=pytest.mark.slow),
        pytest.param(["--epochs", "40", "--patience", "3"], (1, 2, 5), marks=pytest.mark.slow),
        pytest.param(["--epochs", "12", "--class-weight", "balanced"], (1, 2, 5), marks=pytest.mark.slow),
    ],
)
def test_resumed_after_an_epoch(
    command: Any, monkeypatch: pytest.MonkeyPatch, options: list[str], epochs: tuple[int, ...]
) -> None:
    assert command(main, *QUICK, *options, "--output", "whole").code == 0
    for after in epochs:
        shutil.rmtree("run")
        interrupted(monkeypatch, command, *options, after=after)
        assert command(main, *QUICK, *options, "--resume", "--output", "parts").code == 0
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
        result = command(main, table, *QUICK[1:], *options, "--resume", "--output", "new")
        assert result.code == 1
        assert "is a run with another table, other options or another version of torch" in result.err
        assert not Path("new/model.pt").exists()
    assert command(main, *QUICK, "--epochs", "9", "--resume").code == 0


@pytest.mark.slow
def test_an_unfinished_run_is_not_lost_but_a_finished_one_is_replaced(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, command, "--epochs", "9")
    result = command(main, *QUICK, "--epochs", "9")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "continue it with --resume, or remove the file" in result.err
    assert command(main, *QUICK, "--epochs", "9", "--resume").code == 0
    first = Path("model.pt").read_bytes()
    assert command(main, *QUICK, "--epochs", "9", "--resume").code == 0
    assert Path("model.pt").read_bytes() == first
    assert command(main, *QUICK, "--epochs", "9", "--seed", "1").code == 0
    assert Path("model.pt").read_bytes() != first
