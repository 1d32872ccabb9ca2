"""Answers as lines of CSV: the header, and a line for each row. The shell writes them, and so does the server."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from edge_runtime.contract.labels import Label

if TYPE_CHECKING:
    import numpy.typing as npt

Unseen: TypeAlias = Mapping[str, str]


def header(labels: Sequence[Label], top: int | None, flag_unseen: bool, has_interval: bool = False) -> list[str]:
    """The names of the columns.

    Args:
        labels: the classes, none for a regression.
        top: how many labels are shown, the most probable ones; all if None.
        flag_unseen: whether there is a column of what is unlike the training data.
        has_interval: whether there are columns of the bounds of the value's interval, or of the set of labels.
    """
    if not labels:
        names = ["value"]
    elif top is None:
        names = ["label", "probability", *(f"probability_{label}" for label in labels)]
    else:
        places = range(2, min(top, len(labels)) + 1)
        names = ["label", "probability", *(f"{name}_{place}" for place in places for name in ("label", "probability"))]
    if has_interval:
        names += ["set"] if labels else ["lower", "upper"]
    return [*names, "unseen"] if flag_unseen else names


def cells(
    labels: Sequence[Label],
    top: int | None,
    predicted: int,
    output: "npt.NDArray[Any]",
    unseen: Unseen | None,
    interval: Iterable[Any] | None = None,
) -> list[Any]:
    """The cells of one row's answer.

    Args:
        labels: the classes, none for a regression.
        top: as `header`.
        predicted: the place of the predicted label.
        output: the probability of each label, or the value.
        unseen: what is unlike the training data, and why, by column; None if there is no column for it.
        interval: the bounds of the value's interval, or the labels in the set; None if there is no column for it.
    """
    if top is not None:
        found = [cell for place in most_probable(top, predicted, output) for cell in (labels[place], output[place])]
    else:
        found = [labels[predicted], output[predicted], *output] if labels else [output[0]]
    if interval is not None:
        found = [*found, json.dumps(interval, ensure_ascii=False)] if labels else [*found, *interval]
    return found if unseen is None else [*found, reasons(unseen)]


def reasons(unseen: Unseen) -> str:
    """What is unlike the training data, in one line."""
    return "; ".join(f"{name}: {reason}" for name, reason in unseen.items())


def most_probable(top: int, predicted: int, output: "npt.NDArray[Any]") -> list[int]:
    """The places of the `top` labels: the predicted one, then the others, the most probable first."""
    ranked = (-output).argsort(kind="stable").tolist()
    return [int(predicted), *(place for place in ranked if place != predicted)][:top]


def csv_lines(rows: Iterable[Sequence[Any]], shown: Callable[[object], str] = str) -> str:
    """Rows of cells as CSV, with `shown` as the text of a cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(shown, row) for row in rows)
    return text.getvalue()
