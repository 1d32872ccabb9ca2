"""Goals are of the right figures."""

from collections.abc import Mapping

import pytest
from benchmarks.quality.cells import Cell, Mean, Means
from benchmarks.quality.ours import OURS, SINGLE, SMALLER
from benchmarks.quality.peers import CATBOOST, LINEAR
from benchmarks.quality.report import Artifact, coverage_by_table, median_seconds, outcomes, print_report
from benchmarks.quality.scores import ECE, LOG_LOSS, R2
from benchmarks.timing import summary

GOALS = ("log loss", "R²", "close", "worst", "ECE", "coverage", "seconds", "row")


def means(*tables: Mapping[str, float]) -> Means:
    return {
        f"t{number}": {who: Mean(value, 0.01) for who, value in table.items()} for number, table in enumerate(tables)
    }


def cell(who: str, seconds: float, fold: int = 0, coverage: Mapping[str, float] | None = None) -> Cell:
    return Cell("t0", fold, who, "1", {R2: 0.5 + seconds / 100}, seconds, coverage or {})


def verdicts(
    found: Mapping[str, Means], cells: list[Cell], artifacts: Mapping[str, Mapping[str, Artifact]]
) -> dict[str, tuple[str, float | None]]:
    goals = outcomes(found, cells, artifacts)
    return {
        name: (goal.verdict, goal.worst and goal.worst[1]["median"]) for name, goal in zip(GOALS, goals, strict=True)
    }


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert set(verdicts({}, [], {}).values()) == {("not measured", None)}


def test_goals_that_are_met() -> None:
    values = means({OURS: 0.9, CATBOOST: 0.9, LINEAR: 0.5})
    classes = means({OURS: 0.1, CATBOOST: 0.2, LINEAR: 0.3}, {OURS: 0.15, CATBOOST: 0.1, LINEAR: 0.3})
    artifacts = {"t0": {OURS: Artifact(200, summary([3.0])), SINGLE: Artifact(100, summary([2.0]))}}
    cells = [
        cell(OURS, 4, coverage={"0.9": 0.91}),
        cell(OURS, 5, 1, {"0.9": 0.9}),
        cell(CATBOOST, 3),
        cell(CATBOOST, 3, 1),
    ]
    found = verdicts({LOG_LOSS: classes, R2: values, ECE: classes}, cells, artifacts)
    assert found == {
        "log loss": ("met", 1),
        "R²": ("met", 1),
        "close": ("met", pytest.approx(2 / 3)),
        "worst": ("met", 0),
        "ECE": ("met", 1),
        "coverage": ("met", pytest.approx(0.5)),
        "seconds": ("met", 1.5),
        "row": ("met", 1.5),
    }


def test_goals_that_are_missed() -> None:
    values = means({OURS: 0.4, CATBOOST: 0.9, LINEAR: 0.5})
    classes = means({OURS: 0.2, CATBOOST: 0.1, LINEAR: 0.3})
    artifacts = {"t0": {OURS: Artifact(200, summary([5.0])), SINGLE: Artifact(100, summary([2.0]))}}
    cells = [cell(OURS, 9, coverage={"0.5": 0.5, "0.9": 0.87}), cell(CATBOOST, 3)]
    found = verdicts({LOG_LOSS: classes, R2: values, ECE: classes}, cells, artifacts)
    assert found == {
        "log loss": ("missed", 2),
        "R²": ("missed", 3),
        "close": ("missed", 0),
        "worst": ("missed", 1),
        "ECE": ("missed", 2),
        "coverage": ("missed in 1 of 2", pytest.approx(3)),
        "seconds": ("missed", 3),
        "row": ("missed", 2.5),
    }


def test_times_are_of_those_that_were_measured_everywhere() -> None:
    cells = [cell(OURS, 1), cell(OURS, 3, 1), cell(OURS, 2, 2), cell(LINEAR, 1)]
    assert median_seconds(cells) == {OURS: 2}


def test_coverage_is_ours_and_the_mean_over_folds() -> None:
    cells = [
        cell(OURS, 1, coverage={"0.9": 0.8}),
        cell(OURS, 1, 1, {"0.9": 0.9}),
        cell(SINGLE, 1, coverage={"0.9": 0.1}),
    ]
    assert coverage_by_table(cells) == {"t0": {"0.9": pytest.approx(0.85)}}


@pytest.mark.parametrize("smaller", SMALLER)
def test_smaller_networks_are_shown_and_not_ranked(smaller: str, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell(smaller, 9), cell(OURS, 5, coverage={"0.9": 0.9}), cell(CATBOOST, 1)]
    print_report(cells, [OURS, smaller, CATBOOST], 1, {"t0": {OURS: Artifact(2500, summary([0.001]))}})
    scores, ranks, coverage, artifacts, goals = capsys.readouterr().out.strip().split("\n\n")
    assert smaller in scores
    assert "0.5900" in scores
    assert smaller not in ranks
    assert [line.split()[:3] for line in ranks.splitlines()[2:4]] == [[OURS, "-", "1.00"], [CATBOOST, "-", "2.00"]]
    assert "0.900" in coverage
    assert "2 kB" in artifacts
    assert "mean rank in R² over CatBoost's" in goals
