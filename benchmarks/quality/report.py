"""Prints what was measured, and what it says about the goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.goals import Outcome
from benchmarks.quality import standings
from benchmarks.quality.cells import Cell, Mean, Means, means
from benchmarks.quality.ours import LEVELS, OURS, SINGLE, SMALLER
from benchmarks.quality.peers import CATBOOST
from benchmarks.quality.scores import ECE, LOG_LOSS, R2, UPWARDS
from benchmarks.tables import duration, print_missed, print_outcomes, print_table
from benchmarks.timing import Quartiles, summary
from edge_runtime.contract.terminal import counted

# What a table is judged by: of classes the one, of values the other.
JUDGED = (LOG_LOSS, R2)


@dataclass(frozen=True)
class Artifact:
    """An exported network.

    Attributes:
        size: in bytes.
        row: seconds of `predict_one`.
    """

    size: int
    row: Quartiles


def print_report(
    cells: Sequence[Cell], contestants: Sequence[str], folds: int, artifacts: Mapping[str, Mapping[str, Artifact]]
) -> None:
    """Print everything; the goals come last.

    Args:
        cells: what was measured.
        contestants: their order.
        folds: of each table.
        artifacts: size and speed, by table and contestant.
    """
    found = {score: means(cells, score, folds) for score in UPWARDS}
    ranked = [name for name in contestants if name not in SMALLER]
    for score, tables in found.items():
        if tables:
            rows = [(table, *(_shown(values, name) for name in contestants)) for table, values in tables.items()]
            title = f"{score}, mean of {counted(folds, 'fold')} with its standard error"
            print_table(title, ("", *contestants), rows)
    _print_standings(found, cells, ranked)
    _print_coverage(cells)
    _print_artifacts(artifacts)
    goals = outcomes(ranked_only(found), cells, artifacts)
    print_missed(goals)
    print_outcomes(goals)


def ranked_only(found: Mapping[str, Means]) -> dict[str, Means]:
    """Without the smaller networks, whose answers are nearly our own."""
    return {
        score: {
            table: {who: mean for who, mean in values.items() if who not in SMALLER} for table, values in tables.items()
        }
        for score, tables in found.items()
    }


def outcomes(
    found: Mapping[str, Means], cells: Sequence[Cell], artifacts: Mapping[str, Mapping[str, Artifact]]
) -> list[Outcome]:
    """Every goal, and what the means and the cells say about it."""
    ranks = {score: standings.mean_ranks(tables, UPWARDS[score]) for score, tables in found.items()}
    judged = {score: found[score] for score in JUDGED if score in found}
    tables = sum(OURS in values for values_by_table in judged.values() for values in values_by_table.values())
    close, last = (
        sum(len(count(values, UPWARDS[score], OURS)) for score, values in judged.items())
        for count in (standings.within_one_error, standings.worst)
    )
    seconds = median_seconds(cells)
    coverages = {
        f"{table}, {float(level):.0%}": _one(abs(value - float(level)) * 100)
        for table, levels in coverage_by_table(cells).items()
        for level, value in levels.items()
    }
    compared = {table: made for table, made in artifacts.items() if OURS in made and SINGLE in made}
    slower = {table: _one(made[OURS].row["median"] / made[SINGLE].row["median"]) for table, made in compared.items()}
    return [
        *(
            Outcome(f"mean rank in {score} over CatBoost's", "<= 1", _ratio(ranks.get(score, {})), 1)
            for score in JUDGED
        ),
        Outcome(
            "tables within one standard error of the best, fraction",
            ">= 2/3",
            {"all": _one(close / tables)} if tables else {},
            2 / 3,
            at_least=True,
        ),
        Outcome("tables on which it is the worst", "<= 0", {"all": _one(last)} if tables else {}, 0),
        Outcome("place by mean rank in ECE", "<= 1", _place(ranks.get(ECE, {})), 1),
        Outcome("coverage of intervals, points from the nominal", "<= 2", coverages, 2),
        Outcome("median training seconds over CatBoost's", "<= 2", _ratio(seconds), 2),
        Outcome("predict_one over a single network's", "<= 2", slower, 2),
    ]


def median_seconds(cells: Sequence[Cell]) -> dict[str, float]:
    """The median training time of every contestant that was measured wherever the others were."""
    by_contestant: dict[str, dict[tuple[str, int], float]] = {}
    for cell in cells:
        by_contestant.setdefault(cell.contestant, {})[cell.table, cell.fold] = cell.seconds
    most = max(map(len, by_contestant.values()), default=0)
    return {who: median(times.values()) for who, times in by_contestant.items() if len(times) == most}


def coverage_by_table(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """The mean over folds of the fraction of values inside our intervals, by table and nominal level."""
    values: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        for level, value in cell.coverage.items() if cell.contestant == OURS else ():
            values.setdefault(cell.table, {}).setdefault(level, []).append(value)
    return {table: {level: sum(v) / len(v) for level, v in levels.items()} for table, levels in values.items()}


def _print_standings(found: Mapping[str, Means], cells: Sequence[Cell], ranked: Sequence[str]) -> None:
    found = ranked_only(found)
    ranks = {score: standings.mean_ranks(tables, UPWARDS[score]) for score, tables in found.items()}
    seconds = median_seconds(cells)
    rows = []
    for who in ranked:
        counts = [
            sum(len(count(found[score], UPWARDS[score], who)) for score in JUDGED)
            for count in (standings.best, standings.within_one_error, standings.worst)
        ]
        shown = [_number(ranks[score].get(who), ".2f") for score in UPWARDS]
        rows.append((who, *shown, *map(str, counts), _number(seconds.get(who), ".1f")))
    tables = sum(len(found[score]) for score in JUDGED)
    header = ("", *(f"rank, {score}" for score in UPWARDS), "best", "within 1 SE", "worst", "training s")
    print_table(f"Mean ranks and counts over {tables} tables", header, rows)
    print("  - : not measured on each table, and not ranked. Training: the median of all folds.")


def _print_coverage(cells: Sequence[Cell]) -> None:
    if found := coverage_by_table(cells):
        names = [f"{level:g}" for level in LEVELS]
        rows = [(table, *(_number(levels.get(name), ".3f") for name in names)) for table, levels in found.items()]
        print_table("Values inside the intervals, by nominal coverage", ("", *names), rows)


def _print_artifacts(artifacts: Mapping[str, Mapping[str, Artifact]]) -> None:
    rows = [
        (f"{table}, {who}", f"{artifact.size / 1000:.0f} kB", duration(artifact.row))
        for table, made in artifacts.items()
        for who, artifact in made.items()
    ]
    if rows:
        print_table("Artifacts of the first fold", ("", "size", "predict_one"), rows)


def _shown(values: Mapping[str, Mean], who: str) -> str:
    mean = values.get(who)
    return "-" if mean is None else f"{mean.value:.4f} ± {mean.error:.4f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _one(value: float) -> Quartiles:
    return summary([value])


def _ratio(found: Mapping[str, float]) -> dict[str, Quartiles]:
    return {"all": _one(found[OURS] / found[CATBOOST])} if OURS in found and CATBOOST in found else {}


def _place(ranks: Mapping[str, float]) -> dict[str, Quartiles]:
    return {"all": _one(standings.place(ranks, OURS))} if OURS in ranks else {}
