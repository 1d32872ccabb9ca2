"""Command lines that are wrong by themselves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from edge_train import Dataset, Settings, four_blobs, table_defaults
from edge_train.cli.command import main
from edge_train.cli.data import TableOptions, table_dataset
from edge_train.cli.goals import Goal
from edge_train.cli.outputs import Outputs
from edge_train.loop.settings import EXAMPLE_DEFAULTS

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv"], "which column of table.csv is to be predicted? Name it with --target COLUMN"),
        (["--target", "x"], "--target needs a TABLE"),
        (["--dropout", "0.1"], "--dropout needs a TABLE"),
        (["--date", "sold"], "--date needs a TABLE"),
        (["--date-order", "dmy"], "--date-order needs a TABLE"),
        (["t.csv", "--target", "x", "--date-order", "ydm"], "--date-order"),
        (["--limit", "columns=2"], "--limit needs a TABLE"),
        (
            ["t.csv", "--target", "x", "--limit", "nodes=2"],
            "nodes has no effect here; the limits that have are line_bytes, json_depth, unpacked_bytes, pipe_seconds, "
            "columns (see --help)",
        ),
        (["--class-weight", "balanced"], "--class-weight needs a TABLE"),
        (["--members", "3"], "--members needs a TABLE"),
        (["--distill"], "--distill needs a TABLE"),
        (
            ["t.csv", "--target", "x", "--distill", "--members", "1"],
            "--distill makes one network of several; remove --distill or --members 1",
        ),
        (["t.csv", "--target", "x", "--members", "0"], "--members"),
        (["t.csv", "--target", "x", "--members", "65"], "--members"),
        (["--threshold", "f1"], "--threshold needs a TABLE"),
        (
            ["t.csv", "--target", "x", "--threshold", "1.5"],
            "--threshold 1.5: give a number between 0 and 1, balanced, ",
        ),
        (
            ["t.csv", "--target", "x", "--threshold", "f1", "--task", "regression"],
            "--threshold is for classes; remove --threshold or --task regression",
        ),
        (
            ["t.csv", "--target", "x", "--threshold", "cost=1:2", "--validation", "0"],
            "--threshold cost needs rows that are held out; give a number or remove --validation 0",
        ),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--learning-rate", "-1"], "--learning-rate must be a positive number"),
        (["--learning-rate", "1e300"], "--learning-rate must be a positive number"),
        (["--learning-rate", "nan"], "--learning-rate must be a positive number"),
        (["--hidden", "0"], "--hidden 0: give 1 to 65536 units"),
        (["--hidden", "5,x"], "--hidden"),
        (["--hidden", "65537"], "--hidden"),
        (["--hidden", "10000000000000"], "--hidden"),
        (["--hidden", "5,5"], "the example's network has one hidden layer: --hidden N"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**32)], "--seed"),
        (["--batch-size", "0"], "--batch-size"),
        (["t.csv", "--target", "x", "--patience", "0"], "--patience"),
        (["t.csv", "--target", "x", "--weight-decay", "-1"], "--weight-decay"),
        (["t.csv", "--target", "x", "--dropout", "1"], "--dropout"),
        (["t.csv", "--target", "x", "--dropout", "nan"], "--dropout must be a finite number"),
        (["t.csv", "--target", "x", "--weight-decay", "inf"], "--weight-decay must be a finite number"),
        (["t.csv", "--target", "x", "--validation", "nan"], "--validation must be a finite number"),
        (["t.csv", "--target", "x", "--task", "ranking"], "--task"),
        (["t.csv", "--target", "x", "--validation", "0.95"], "--validation"),
        (["t.csv", "--target", "x", "--validation", "0", "--patience", "3"], "remove --patience or --validation 0"),
        (
            ["t.csv", "--target", "x", "--class-weight", "balanced", "--task", "regression"],
            "--class-weight is for classes; remove --class-weight or --task regression",
        ),
        (["--resume"], "--resume needs --checkpoint FOLDER"),
        (["--nothing"], "no such option: --nothing"),
        (["--targt", "x"], "no such option: --targt; did you mean '--target'?"),
        (["--epoch", "3"], "--epochs"),
    ],
)
def test_wrong_usage(command: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = command(main, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command would train, with which settings."""
    called: list[dict[str, Any]] = []

    def run(dataset: Dataset, settings: Settings, device: str, outputs: Outputs, **others: Any) -> None:
        called.append({"dataset": dataset, "settings": settings, "device": device, "outputs": outputs, **others})

    monkeypatch.setattr("edge_train.cli.run.run", run)
    return called


def test_without_options_the_example_is_trained(command: Command, runs: list[dict[str, Any]]) -> None:
    assert command(main).code == 0
    (run,) = runs
    assert run["dataset"].training_sha256 == four_blobs(0).training_sha256
    assert (run["settings"], run["device"], run["outputs"]) == (EXAMPLE_DEFAULTS, "auto", Outputs(Path()))
    assert (run["resume"], run["is_example"], run["goal"]) == (False, True, None)


def test_without_options_a_table_is_trained_as_suits_its_size(
    command: Command, table: Path, runs: list[dict[str, Any]]
) -> None:
    assert command(main, table, "--target", "y").code == 0
    (run,) = runs
    assert len(run["dataset"].train) == 48
    assert (run["settings"], run["is_example"]) == (table_defaults(48), False)


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("--hidden", "65536,1", {"hidden": (65536, 1)}),
        ("--members", "1", {"members": 1}),
        ("--members", "64", {"members": 64}),
        ("--validation", "0", {"validation": 0.0}),
        ("--validation", "0.9", {"validation": 0.9}),
        ("--dropout", "0", {"dropout": 0.0}),
        ("--dropout", "0.99", {"dropout": 0.99}),
        ("--optimizer", "sgd", {"optimizer": "sgd", "learning_rate": 0.03, "weight_decay": 0.0}),
        ("--learning-rate", "3e38", {"learning_rate": 3e38}),
        ("--weight-decay", "0", {"weight_decay": 0.0}),
        ("--batch-size", "1", {"batch_size": 1}),
        ("--epochs", "1", {"epochs": 1}),
        ("--patience", "1", {"patience": 1}),
        ("--schedule", "constant", {"schedule": "constant"}),
        ("--schedule", "cosine", {"schedule": "cosine"}),
        ("--class-weight", "balanced", {"balanced": True}),
        ("--seed", str(2**32 - 1), {"seed": 2**32 - 1}),
    ],
)
def test_each_option_is_a_setting(
    command: Command, table: Path, runs: list[dict[str, Any]], option: str, value: str, setting: dict[str, Any]
) -> None:
    result = command(main, table, "--target", "y", option, value)
    assert (result.code, result.err) == (0, "")
    (run,) = runs
    assert run["settings"] == replace(table_defaults(48), **setting)


def test_the_other_options(command: Command, table: Path, runs: list[dict[str, Any]]) -> None:
    folders = ["--output", "out", "--plots", "plots", "--checkpoint", "kept"]
    others = ["--resume", "--device", "cuda:12", "--seed", "7"]
    assert command(main, table, "--target", "y", *folders, *others).code == 0
    (run,) = runs
    assert run["outputs"] == Outputs(Path("out"), Path("plots"), Path("kept"))
    assert (run["device"], run["resume"]) == ("cuda:12", True)
    dataset = table_dataset(TableOptions(table, "y"), seed=7)
    assert run["dataset"].training_sha256 == dataset.training_sha256
    assert command(main, table, "--target", "flag", "--threshold", "0.2", "--validation", "0").code == 0
    assert runs.pop()["goal"] == Goal("number", (0.2,))
    assert command(main, "--seed", 7).code == 0
    assert runs[1]["dataset"].training_sha256 == four_blobs(7).training_sha256


def test_outputs_are_checked_before_the_table_is_read(command: Command, table: Path) -> None:
    result = command(main, "nowhere.csv", "--target", "y", "--output", table)
    assert result.err == "error: t.csv is a file, not a folder\n"


@pytest.mark.parametrize("device", ["tpu", "cud", "cuda:", "cuda:x", "cuda:0,1", "CPU", ""])
def test_devices_that_nobody_knows(command: Command, device: str) -> None:
    result = command(main, "--device", device)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"error: unknown device {device!r}; use auto, cpu, cuda or cuda:N\n"


def test_what_a_user_types_controls_no_terminal(command: Command) -> None:
    for arguments in (["\x1b[31m.csv"], ["--hidden", "\x1b[31m"], ["--device", "\x1b[31m"], ["--\x1b[31m"]):
        result = command(main, *arguments)
        assert "\x1b" not in result.err
        assert result.err.count("\n") == 1


def test_the_help_and_the_docs_say_the_defaults(command: Command) -> None:
    small, large, example = table_defaults(1), table_defaults(10**9), EXAMPLE_DEFAULTS
    words = " ".join(command(main, "--help").out.split())
    rates = f"{small.learning_rate:g}", f"{small.weight_decay:g}"
    for said in (
        f"Networks to average: {small.members} for a table",
        f"Learning rate: {rates[0]} with adamw, {example.learning_rate:g} with sgd",
        f"Rows in a step: {small.batch_size} to {large.batch_size} for a table",
        f"Most passes over the training rows: {large.epochs} to {small.epochs} for a table, {example.epochs} for",
        f"Fraction of the rows that each member holds out, {small.validation:g};",
        f"Epochs without a smaller validation loss until annealing begins, {small.patience}.",
    ):
        assert said in words
    page = (ROOT / "docs" / "tables.md").read_text("utf-8")
    for row in (
        f"| `--hidden` | `{','.join(map(str, small.hidden))}`, in each member | `{example.hidden[0]}` |",
        f"| `--members` | {small.members};",
        f"| `--dropout` | {small.dropout:g} |",
        f"| AdamW, {', '.join(rates)} | SGD, {example.learning_rate:g}, {example.weight_decay:g} |",
        f"| `--batch-size` | {small.batch_size} to {large.batch_size}:",
        f"| `--epochs` | {small.epochs}; fewer for large tables, to make 60,000 steps, but at least {large.epochs} |",
        f"| {example.epochs:,} |",
        f"| `--schedule` | `{small.schedule}`; also `cosine` and `constant` | `{example.schedule}` |",
        f"| `--validation` | {small.validation:g}:",
        f"| `--patience` | {small.patience} |",
        f"until {small.patience} epochs (`--patience`)",
    ):
        assert row in page
