"""The command measures what is not in the file yet."""

import sys
from pathlib import Path

import pytest
from benchmarks.quality import __main__ as command
from benchmarks.quality import cells, ours
from benchmarks.quality.cells import Cell
from benchmarks.quality.ours import DISTILLED, SINGLE
from benchmarks.quality.peers import LINEAR, PEERS


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "CELLS", tmp_path / "cells.jsonl")
    return tmp_path / "cells.jsonl"


def test_an_interrupted_run_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["quality", "--only", "iris", "diabetes", "--folds", "1", "--contestants", LINEAR])
    version = PEERS[LINEAR].version
    cells.add(file, Cell("iris", 0, LINEAR, version, {"log loss": 0.25, "ECE": 0.125}, 1.0))
    command.main()
    out, err = capsys.readouterr()
    assert "1 of 1: linear on diabetes, fold 0" in err
    assert "0.2500" in out
    assert list(cells.read(file, {LINEAR: version})) == [("iris", 0, LINEAR), ("diabetes", 0, LINEAR)]


def test_what_fails_is_said_and_tried_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Cell:
        raise MemoryError("too little\nof it")

    monkeypatch.setattr(command, "cell", fail)
    for _ in range(2):
        command.measure(["iris"], {LINEAR: "1"}, 1)
    assert capsys.readouterr().err == 2 * "1 of 1: linear on iris, fold 0: failed: MemoryError: too little\n"
    assert not file.exists()


def test_who_cannot_take_part_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ours, "options_help", lambda: "--distill")
    monkeypatch.setattr(ours, "version", lambda: "1")
    assert dict(command._versions([SINGLE, DISTILLED, "edge-train"])) == {DISTILLED: "1", "edge-train": "1"}
    assert capsys.readouterr().out == "skipped: edge-train, 1 member: edge-train has no --members\n"
