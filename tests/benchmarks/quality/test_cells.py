"""The file of cells: an interrupted run goes on."""

from pathlib import Path

import pytest
from benchmarks.quality import cells
from benchmarks.quality.cells import Cell, Mean

VERSIONS = {"a": "1", "b": "1"}


def cell(table: str = "t", fold: int = 0, who: str = "a", version: str = "1", value: float = 1) -> Cell:
    return Cell(table, fold, who, version, {"R²": value}, 2.5, {"0.9": 0.91})


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cells.jsonl"
    assert cells.read(path, VERSIONS) == {}
    cells.add(path, cell())
    cells.add(path, cell(fold=1))
    cells.add(path, cell(value=3))
    assert list(cells.read(path, VERSIONS).values()) == [cell(value=3), cell(fold=1)]


def test_other_versions_and_contestants_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    for added in (cell(), cell(who="b", version="0"), cell(who="c")):
        cells.add(path, added)
    assert list(cells.read(path, VERSIONS).values()) == [cell()]


def test_a_line_that_was_cut_off_does_not_count_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    cells.add(path, cell())
    cells.add(path, cell(fold=1))
    path.write_text(path.read_text()[:-20])
    assert list(cells.read(path, VERSIONS)) == [("t", 0, "a")]
    cells.add(path, cell(fold=2))
    assert list(cells.read(path, VERSIONS)) == [("t", 0, "a"), ("t", 2, "a")]


def test_means_are_of_all_folds() -> None:
    added = [cell(fold=fold, value=fold) for fold in range(3)] + [cell(who="b"), cell("u", who="b")]
    found = cells.means(added, "R²", 3)
    assert found["t"].keys() == {"a"}
    assert found["u"] == {}
    assert (found["t"]["a"].value, found["t"]["a"].error) == pytest.approx((1, 1 / 3**0.5))
    assert cells.means([cell()], "R²", 1) == {"t": {"a": Mean(1, 0)}}
    assert cells.means(added, "ECE", 3) == {}
