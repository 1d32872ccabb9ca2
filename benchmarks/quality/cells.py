"""What was measured so far, in a file that each cell is added to, so that an interrupted run goes on."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

Key = tuple[str, int, str]


@dataclass(frozen=True)
class Cell:
    """One contestant on one fold of one table.

    Attributes:
        table, fold, contestant: which.
        version: of the contestant; figures of another version do not count.
        scores: by name, as `benchmarks.quality.scores.scores` returns them.
        seconds: of training.
        coverage: the fraction of the values inside the intervals, by their nominal level.
    """

    table: str
    fold: int
    contestant: str
    version: str
    scores: Mapping[str, float]
    seconds: float
    coverage: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Table, fold and contestant."""
        return self.table, self.fold, self.contestant


def read(path: Path, versions: Mapping[str, str]) -> dict[Key, Cell]:
    """The cells in the file of those contestants and versions; none without a file.

    A later line counts instead of an earlier one, and a last line that was cut off does not.
    """
    found: dict[Key, Cell] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            cell = Cell(**json.loads(line))
        except ValueError:
            continue
        if versions.get(cell.contestant) == cell.version:
            found[cell.key] = cell
    return found


def add(path: Path, cell: Cell) -> None:
    """Add a line to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write("\n" * cut_off + json.dumps(asdict(cell)) + "\n")


@dataclass(frozen=True)
class Mean:
    """The mean over folds.

    Attributes:
        value: the mean.
        error: its standard error; 0 of a single fold.
    """

    value: float
    error: float


# By table and contestant.
Means = Mapping[str, Mapping[str, Mean]]


def means(cells: Iterable[Cell], score: str, folds: int) -> Means:
    """The means of one score, of the contestants that were measured on all of the `folds` of a table."""
    values: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        if score in cell.scores:
            values.setdefault(cell.table, {}).setdefault(cell.contestant, []).append(cell.scores[score])
    return {
        table: {who: _mean(found) for who, found in contestants.items() if len(found) == folds}
        for table, contestants in values.items()
    }


def _mean(values: list[float]) -> Mean:
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Mean(float(np.mean(values)), float(error))
