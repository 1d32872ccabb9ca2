"""Score and train on whole files beside pyarrow, pandas, ONNX Runtime alone and torch's DataLoader; ends on the goals.

    .venv/bin/python -m benchmarks.bulk [--rounds 5] [--rows-scale 0.01] [--only csv parquet]

Each command is a process of its own, in interleaved rounds. It needs 10 GB of disk, a machine that does nothing else,
and half an hour; with --rows-scale 0.01 a few minutes, and no figures that mean anything. It makes no judgement by its
exit code.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bulk.measured import FASTER, PARTS, SLOWER, Bench, Measured, Skipped, shown
from benchmarks.goals import Outcome
from benchmarks.machine import machine
from benchmarks.tables import print_missed, print_outcomes, print_table
from benchmarks.timing import Quartiles

TRAINING = "training"


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        part: where it is measured.
        ways: what the ratios are over that it speaks of; none for all of the part.
        what: the ratio, in words.
        limit: of the ratio.
        at_least: whether the ratio should be above the limit and not below.
        inverse: whether the ratio is theirs over ours.
    """

    part: str
    ways: tuple[str, ...]
    what: str
    limit: float
    at_least: bool = False
    inverse: bool = False


# Of two ways to copy, the goal is over the faster one: the larger ratio counts.
_CSV_COPIES = ("copy-csv-whole", "copy-csv-streamed")
_COPIES = ("copy-parquet-whole", "copy-parquet-streamed")
GOALS = (
    Goal("csv", _CSV_COPIES, "CSV to CSV, 2 columns, wall, over pyarrow's copy of the same columns", 1.3),
    Goal("parquet", _COPIES, "the same in Parquet", 1.3),
    Goal("text", _COPIES, "4 text and 6 numeric columns, Parquet, over the same copy", 1.6),
    Goal("csv", ("pandas",), "read_csv, session.run and to_csv over ours", 5, at_least=True, inverse=True),
    Goal("wide", (SLOWER,), "30-64-64-3, Parquet, over the slower of scoring alone and copying alone", 1.25),
    Goal("wide", (FASTER,), "the same over the faster of the two", 1.25),
    Goal("memory", (), "peak memory, 50 times larger file over the small one", 1.3),
    Goal("ray", (), "Ray, two workers over one, rows a second", 1.6, at_least=True),
    Goal(TRAINING, (), "training, 200,000 x 20, batch 256, over a DataLoader's loop, rows a second", 5, at_least=True),
    Goal("loading", (), "a CSV for training, peak memory over its size", 1.5),
)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=(__doc__ or "").partition("\n")[0])
    parts = (*PARTS, TRAINING)
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison (%(default)s)")
    parser.add_argument("--rows-scale", type=float, default=1.0, help="a fraction of all rows, to try it (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="what to measure (everything)")
    parser.add_argument("--folder", type=Path, help="for the tables, which are removed; by default the system's")
    options = parser.parse_args()
    print("  ".join(f"{name} {value}" for name, value in machine().items()))
    ratios: dict[str, Mapping[str, Quartiles]] = {}
    skipped: list[str] = []
    for part in options.only:
        print(f"measuring {part}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            bench = Bench(Path(folder), options.rounds, options.rows_scale)
            try:
                ratios[part] = _training(bench) if part == TRAINING else _printed(PARTS[part](bench))
            except Skipped as reason:
                skipped.append(f"{part}: {reason}")
    found = [outcome(goal, ratios.get(goal.part, {})) for goal in GOALS]
    print_missed(found)
    for line in skipped:
        print(f"skipped: {line}")
    print_outcomes(found)


def _printed(measured: Measured) -> Mapping[str, Quartiles]:
    title = f"{measured.title}: {measured.rows:,} rows"
    print_table(title, ("", "wall", "rows/s", "peak memory"), shown(measured))
    return measured.ratios


def _training(bench: Bench) -> Mapping[str, Quartiles]:
    # It imports torch and scikit-learn, which the other parts do without.
    from benchmarks.train import print_large

    return print_large(bench.rounds)


def outcome(goal: Goal, ratios: Mapping[str, Quartiles]) -> Outcome:
    """What the ratios of the goal's part say about it."""
    cells = {name: value for name, value in ratios.items() if not goal.ways or name in goal.ways}
    if goal.inverse:
        cells = {
            name: {"median": 1 / value["median"], "low": 1 / value["high"], "high": 1 / value["low"]}
            for name, value in cells.items()
        }
    limit = f"{'>=' if goal.at_least else '<='} {goal.limit:g}"
    return Outcome(goal.what, limit, cells, goal.limit, goal.at_least)


if __name__ == "__main__":
    main()
