"""Measure how good and how fast `edge-train` is on real tables, beside other ways to learn from a table.

    .venv/bin/python -m benchmarks.quality [--only concrete email_spam] [--contestants edge-train CatBoost] [--folds 1]

All contestants have their defaults and the same folds. What was measured is kept in build/bench-tables/cells.jsonl, so
that an interrupted run goes on where it was; Ctrl+C prints what there is. edge-train is measured anew after a change of
its code, and a peer in another version; remove the file to measure all anew. Run it on a machine that does nothing
else, for hours: TabM, which comes last, takes most of them. It makes no judgement by its exit code.
"""

import argparse
import contextlib
import importlib.metadata
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.quality import cells, ours
from benchmarks.quality.cells import Cell
from benchmarks.quality.ours import DISTILLED, OPTIONS, OURS, SINGLE, SMALLER
from benchmarks.quality.peers import PEERS
from benchmarks.quality.real_tables import FOLDS, NAMES, load
from benchmarks.quality.report import Artifact, print_report
from benchmarks.quality.scores import scores
from benchmarks.timing import interleaved, summary
from edge_runtime import Predictor

FOLDER = Path("build/bench-tables")
CELLS = FOLDER / "cells.jsonl"
_ROUNDS, _SECONDS = 40, 5
_ARTIFACTS = {OURS: "ours", SINGLE: "single", DISTILLED: "distilled"}


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=(__doc__ or "").partition("\n")[0]
    )
    everybody = (*OPTIONS, *PEERS)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="TABLE", help="of: %(choices)s")
    parser.add_argument("--contestants", nargs="+", choices=everybody, default=everybody, help="(all)")
    parser.add_argument("--folds", type=int, choices=range(1, FOLDS + 1), default=FOLDS, help="of each table (all)")
    options = parser.parse_args()
    # scikit-learn warns of unknown categories and of columns without a value, which the benchmark is about.
    warnings.simplefilter("ignore")
    print("  ".join(f"{name} {value}" for name, value in machine().items()))
    versions = dict(_versions(options.contestants))
    print("  ".join(dict.fromkeys(versions.values())))
    with contextlib.suppress(KeyboardInterrupt):
        measure(options.only, versions, options.folds)
    kept = cells.read(CELLS, versions)
    found = [
        kept[key]
        for name in options.only
        for fold in range(options.folds)
        for who in versions
        if (key := (name, fold, who)) in kept
    ]
    print_report(found, list(versions), options.folds, {name: artifacts(name, versions) for name in options.only})


def _versions(contestants: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The contestants that can take part, and what their figures belong to."""
    for who in contestants:
        if who in SMALLER and (option := OPTIONS[who][0]) not in ours.options_help():
            print(f"skipped: {who}: edge-train has no {option}")
            continue
        try:
            yield who, ours.version() if who in OPTIONS else PEERS[who].version
        except importlib.metadata.PackageNotFoundError as missing:
            print(f"skipped: {who}: {missing.name} is not installed")


def measure(names: Sequence[str], versions: dict[str, str], folds: int) -> None:
    """Measure what is not in the file yet, and add it; what fails is said, and tried again by the next run."""
    wanted = [(name, fold, who) for who in versions for name in names for fold in range(folds)]
    done = cells.read(CELLS, versions)
    left = [key for key in wanted if key not in done or not _has_artifact(*key)]
    for number, (name, fold, who) in enumerate(left, start=1):
        start = time.perf_counter()
        try:
            cells.add(CELLS, cell(name, fold, who, versions[who]))
            said = f"{time.perf_counter() - start:.0f} s"
        # Whatever goes wrong in a peer is its own affair, and the others go on.
        except Exception as error:
            said = f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        print(f"{number} of {len(left)}: {who} on {name}, fold {fold}: {said}", file=sys.stderr, flush=True)


def cell(name: str, fold: int, who: str, version: str) -> Cell:
    """Train one contestant, and score its answers to the rows held out."""
    table = load(name)
    rows, held = table.folds[fold]
    coverage: dict[str, float] = {}
    if who in OPTIONS:
        found, seconds, coverage = ours.answers(table, rows, held, OPTIONS[who], _artifact(name, fold, who))
    else:
        found, seconds = PEERS[who].answers(table, rows, held)
    return Cell(name, fold, who, version, scores(table.actual[held], found), seconds, coverage)


def artifacts(name: str, versions: dict[str, str]) -> dict[str, Artifact]:
    """The size of our artifacts of the first fold, and the time of one row, in turns."""
    paths = {who: path for who in versions if who in OPTIONS and (path := _artifact(name, 0, who)).exists()}
    if not paths:
        return {}
    row = ours.one_row(load(name), 0)
    predictors = {who: Predictor(path) for who, path in paths.items()}
    calls = {who: (lambda predictor=predictor: predictor.predict_one(row)) for who, predictor in predictors.items()}
    times = interleaved(calls, _ROUNDS, _SECONDS)
    return {who: Artifact(path.stat().st_size, summary(times[who])) for who, path in paths.items()}


def _artifact(name: str, fold: int, who: str) -> Path:
    return FOLDER / "artifacts" / f"{name}-{fold}-{_ARTIFACTS[who]}.onnx"


def _has_artifact(name: str, fold: int, who: str) -> bool:
    """Whether there is the artifact that the first fold is asked for; others are not looked at again."""
    return who not in OPTIONS or fold > 0 or _artifact(name, fold, who).exists()


if __name__ == "__main__":
    main()
