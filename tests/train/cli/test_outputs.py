"""Where results go, and whether they can be written there."""

import os
import sys
from pathlib import Path

import pytest

from edge_runtime.contract.errors import ExtraNotInstalled
from edge_runtime.contract.file_locks import locked
from edge_train import CannotWrite
from edge_train.cli.outputs import Outputs, check_outputs, prepare_outputs

# Even the superuser cannot make it.
NOWHERE = Path("/proc/nothing")
linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="/proc is Linux's")


def test_the_files() -> None:
    outputs = Outputs(Path("out"))
    assert (outputs.model, outputs.metrics) == (Path("out/model.pt"), Path("out/metrics.json"))


def test_checking_makes_nothing() -> None:
    check_outputs(Outputs(Path("a/b"), Path("c"), Path("d/e/f")))
    check_outputs(Outputs(Path()))
    check_outputs(Outputs(Path("a").absolute()))
    assert list(Path().iterdir()) == []


def test_preparing_makes_the_folders() -> None:
    prepare_outputs(Outputs(Path("a/b"), Path("c")))
    assert sorted(map(str, Path().rglob("*"))) == ["a", "a/b", "c"]


@linux
@pytest.mark.parametrize(
    "outputs", [Outputs(NOWHERE), Outputs(Path(), plots=NOWHERE), Outputs(Path(), checkpoint=NOWHERE / "deeper")]
)
def test_a_folder_that_cannot_be_made(outputs: Outputs) -> None:
    with pytest.raises(CannotWrite, match="no file can be written in /proc/nothing"):
        check_outputs(outputs)


def test_a_file_is_not_a_folder() -> None:
    Path("file").touch()
    Path("broken").symlink_to("nowhere")
    for folder in (Path("file"), Path("file/deeper")):
        with pytest.raises(CannotWrite, match="file is a file, not a folder"):
            check_outputs(Outputs(folder))
    with pytest.raises(CannotWrite, match="no file can be written in broken: N"):
        check_outputs(Outputs(Path("broken")))


def test_a_folder_is_not_a_file() -> None:
    for name in ("model.pt", "metrics.json"):
        (Path(name) / name).mkdir(parents=True)
        for look in (check_outputs, prepare_outputs):
            with pytest.raises(CannotWrite, match=f"{name} is a folder"):
                look(Outputs(Path(name)))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user for whom a folder can be closed")
def test_a_folder_that_may_not_be_written_in() -> None:
    Path("closed").mkdir(mode=0o500)
    with pytest.raises(CannotWrite, match="no file can be written in closed/new: Permission denied"):
        check_outputs(Outputs(Path("closed/new")))


@pytest.mark.parametrize(
    "busy", [Path("a/model.pt"), Path("a/metrics.json"), Path("plots/loss.png"), Path("run/training.pt")]
)
def test_another_run_writes_one_of_the_files(monkeypatch: pytest.MonkeyPatch, busy: Path) -> None:
    outputs = Outputs(Path("a"), plots=Path("plots"), checkpoint=Path("run"))
    prepare_outputs(outputs)
    with locked([busy]):
        with pytest.raises(CannotWrite, match=f"another run .* is writing {busy}; wait until it has ended, or choose"):
            check_outputs(outputs)
        # Of several processes that train together, the first one holds the files.
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        check_outputs(outputs)


def test_the_report_joins_the_outputs() -> None:
    outputs = Outputs(Path("a"), report=Path("new/train.html"))
    check_outputs(outputs, Path("t.csv"))
    assert list(Path().iterdir()) == []
    prepare_outputs(outputs)
    assert Path("new").is_dir()
    with locked([Path("new/train.html")]), pytest.raises(CannotWrite, match=r"is writing new/train\.html"):
        check_outputs(outputs)


@pytest.mark.parametrize(
    "report", ["a/model.pt", "a/../a/metrics.json", "plots/roc.png", "run/training.pt", "t.csv", "link.html"]
)
def test_the_report_takes_the_place_of_nothing_else(report: str) -> None:
    for folder in ("a", "plots", "run"):
        Path(folder).mkdir()
    Path("t.csv").touch()
    Path("link.html").symlink_to("a/model.pt")
    outputs = Outputs(Path("a"), Path("plots"), Path("run"), Path(report))
    with pytest.raises(CannotWrite, match="is another file of this run; choose another path for --report"):
        check_outputs(outputs, Path("t.csv"))


def test_a_report_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(CannotWrite, match="folder is a folder"):
        check_outputs(Outputs(Path(), report=Path("folder")))
    with pytest.raises(CannotWrite, match="file is a file, not a folder"):
        check_outputs(Outputs(Path(), report=Path("file/train.html")))
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ExtraNotInstalled, match=r"--report needs the package jinja2 .*'edge-predict\[train\]'"):
        check_outputs(Outputs(Path(), report=Path("train.html")))
