"""Several processes that train one network."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from warm_processes import edge_train, edge_train_together, meet_in_file

from edge_train import ProcessGroup, load_checkpoint
from edge_train.loop import torchrun
from edge_train.loop.distributed import join_torchrun_group

forks = pytest.mark.skipif(os.name == "nt", reason="forks are POSIX")


@pytest.fixture(autouse=True)
def in_folder_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [(random.normal(), f"city {random.integers(0, 12)}") for _ in range(203)]
    lines = ["a,b,y", *(f"{a:.4f},{b},{'yes' if a + random.normal() > 0 else 'no'}" for a, b in rows)]
    Path("table.csv").write_text("\n".join(lines) + "\n")


# 203 rows that some learn from leave 5 for the last batch of an epoch, in which one of two processes has a row more.
COMMAND = ["table.csv", "--target", "y", "--hidden", "8", "--batch-size", "33", "--epochs", "4", "--optimizer", "sgd"]
OPTIONS = [["--dropout", "0"], ["--dropout", "0.3", "--class-weight", "balanced"]]


def assert_the_same_network(one: str, other: str) -> None:
    first, second = (load_checkpoint(Path(name) / "model.pt") for name in (one, other))
    # Scores are rounded, so that summing in another order may change their last digit.
    ours, theirs = first.signature.conformal, second.signature.conformal
    assert ours is not None
    assert theirs is not None
    assert (ours.rows, ours.ranks) == (theirs.rows, theirs.ranks)
    assert ours.scores == pytest.approx(theirs.scores, rel=1e-3, abs=1e-5)
    assert replace(first.signature, conformal=None) == replace(second.signature, conformal=None)
    for key, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[key], value, rtol=1e-4, atol=1e-6)


def together(size: int, *arguments: str) -> str:
    """What the first of so many processes prints; the others print nothing."""
    # Variables as torchrun sets them.
    path = str(Path("meeting").absolute())
    runs = [
        (arguments, [partial(meet_in_file, path, rank, size)], {"RANK": str(rank), "WORLD_SIZE": str(size)})
        for rank in range(size)
    ]
    finished = edge_train_together(runs)
    assert [(result.code, result.err) for result in finished] == [(0, "")] * size
    assert not any(result.out for result in finished[1:])
    return finished[0].out


@forks
@pytest.mark.parametrize("options", [pytest.param(OPTIONS[0], marks=pytest.mark.slow), OPTIONS[1]])
def test_two_processes_come_to_what_one_comes_to(options: list[str]) -> None:
    one = edge_train(*COMMAND, *options, "--output", "one")
    assert one.code == 0, one.err
    assert together(2, *COMMAND, *options, "--output", "two").replace("two/", "one/") == one.out
    assert_the_same_network("one", "two")


@forks
@pytest.mark.slow
def test_two_processes_distil_what_one_distils() -> None:
    options = [*COMMAND, "--dropout", "0.3", "--distill", "--output"]
    assert edge_train(*options, "one").code == 0
    assert "distilled from 5 members: " in together(2, *options, "two")
    # Thousands of steps make more of the order of summation.
    one, two = (load_checkpoint(Path(name) / "model.pt") for name in ("one", "two"))
    assert one.members == two.members == 1
    rows = {"x": torch.linspace(-2, 2, 9)[:, None], "text": torch.arange(1, 10)[:, None]}
    torch.testing.assert_close(one(**rows), two(**rows), rtol=0, atol=0.02)


@forks
def test_a_process_without_rows_in_the_last_batch_changes_nothing() -> None:
    """The last of three processes gets none of two rows."""
    command = [*COMMAND, "--batch-size", "67"]
    one = edge_train(*command, "--output", "one").out
    assert "162 rows to train" in one
    together(3, *command, "--output", "three")
    assert_the_same_network("one", "three")


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_torchrun(options: list[str]) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = subprocess.run(
        [*torchrun, "-m", "edge_train", *COMMAND, *options, "--output", "two"], capture_output=True, text=True
    )
    assert two.returncode == 0, two.stderr
    one = edge_train(*COMMAND, *options, "--output", "one")
    assert two.stdout.replace("two/", "one/") == one.out
    assert_the_same_network("one", "two")


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (torchrun.rank(), torchrun.local_rank(), torchrun.world_size()) == (0, 0, 1)
    with join_torchrun_group(torch.device("cpu")) as group:
        assert group == ProcessGroup(rank=0, size=1)
        assert group.leads
        assert group.agreed(0.5) == 0.5
        assert not torch.distributed.is_initialized()


def test_only_the_first_process_leads() -> None:
    assert ProcessGroup(rank=0, size=8).leads
    assert not ProcessGroup(rank=5, size=8).leads


def test_the_group_ends_with_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported after the group began, torch.distributed.nn would keep it, and Gloo's threads abort the process."""
    for name in [name for name in sys.modules if name.startswith("torch.distributed.nn")]:
        monkeypatch.delitem(sys.modules, name)
    calls: list[object] = []

    def begin(backend: str, timeout: object) -> None:
        calls.append((backend, "torch.distributed.nn.functional" in sys.modules))

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.distributed, "init_process_group", begin)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: calls.append("end"))
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with join_torchrun_group(torch.device("cpu")) as group:
        assert group == ProcessGroup(rank=1, size=2)
        assert calls == [("gloo", True)]
    assert calls == [("gloo", True), "end"]
