"""Artifacts by runtimes, as text: how much of a tolerance each uses at most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.everywhere.runtimes import Runtime, Verdict


@dataclass(frozen=True)
class Column:
    """A runtime and its verdicts on all artifacts; None where it cannot run here."""

    runtime: Runtime
    verdicts: Sequence[Verdict] | None


def is_in_order(paths: Sequence[Path], column: Column) -> bool:
    """Whether all artifacts pass but those that show a known fault, and these do not."""
    return column.verdicts is None or all(
        (verdict.problem is not None) == (path.stem in column.runtime.faults)
        for path, verdict in zip(paths, column.verdicts, strict=True)
    )


def table(paths: Sequence[Path], columns: Sequence[Column]) -> Iterator[str]:
    """The lines: headings, a line for each artifact, how many pass, and what is not in order or not run."""
    texts = [[*column.runtime.heading, *_cells(paths, column), _summary(column)] for column in columns]
    names = ["", "ONNX Runtime", "numpy", *(path.name for path in paths), "pass"]
    width = max(map(len, names))
    widths = [max(map(len, text)) for text in texts]
    for name, *cells in zip(names, *texts, strict=True):
        yield f"{name:<{width}}  " + "  ".join(f"{cell:>{size}}" for cell, size in zip(cells, widths, strict=True))
    for column in columns:
        heading = " ".join(filter(None, column.runtime.heading))
        if column.verdicts is None:
            yield f"{heading}: not run here: {column.runtime.absent}"
            continue
        for path, verdict in zip(paths, column.verdicts, strict=True):
            if verdict.problem is not None:
                known = " (known)" if path.stem in column.runtime.faults else ""
                yield f"{heading}: {path.name}{known}: {verdict.problem}"


def _cells(paths: Sequence[Path], column: Column) -> list[str]:
    if column.verdicts is None:
        return ["-"] * len(paths)
    return ["refused" if verdict.problem is not None else f"{verdict.used:.0%}" for verdict in column.verdicts]


def _summary(column: Column) -> str:
    if column.verdicts is None:
        return "not run"
    return f"{sum(verdict.problem is None for verdict in column.verdicts)} of {len(column.verdicts)}"
