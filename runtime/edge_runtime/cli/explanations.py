"""Explanations of the answer to one row, as text, as JSON, or as CSV.

    text   label 1  probability 0.9927
           contribution  column         value  typical
                 0.2215  (typical row)
                +0.7500  x1             -1     0.5
                +0.0212  x2             1      0.62
    json   {"label": 1, "probability": 0.9927..., "base": 0.2215..., "attributions": {"x1": 0.75..., ...},
            "values": {"x1": -1.0, ...}, "baseline": {"x1": 0.5, ...}}
    csv    column,value,typical,contribution; in the first line, without a name, the base

If some are estimates, standard errors are beside them. JSON and CSV are exact: what comes before the contributions and
these add up to the answer.
"""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge_runtime import csv_answers
from edge_runtime.cli.answers import Asked, row_of_words
from edge_runtime.cli.json_lines import json_line, json_number
from edge_runtime.contract.terminal import printable

if TYPE_CHECKING:
    from edge_runtime.explanation import Explanation
    from edge_runtime.predictor import Predictor


def explained_words(predictor: "Predictor", words: Sequence[str], asked: Asked) -> str:
    """What the columns of one row that is given as words contribute to its answer.

    Raises:
        InvalidInput, NoSignature: as `answers.answer_words`.
        NoBaseline: see `Predictor.explain`.
    """
    row = row_of_words(predictor, words)
    # It imports numpy, and mistakes in a command line are found before.
    from edge_runtime.explanation import explained

    answering = predictor.answering
    explanation = explained(answering, answering.row_reader.tensors_of_read([row]))
    if asked.output_format == "text":
        return f"{explanation}\n"
    return _as_json(explanation) if asked.output_format == "json" else _as_csv(explanation)


def _as_json(explanation: "Explanation") -> str:
    plain: dict[str, Any] = {"value": json_number(explanation.answer)}
    if explanation.label is not None:
        plain = {"label": explanation.label, "probability": json_number(explanation.answer)}
    plain["base"] = json_number(explanation.base)
    for name in ("attributions", "values", "baseline", "standard_errors"):
        if (by_column := getattr(explanation, name)) is not None:
            plain[name] = {column: _finite(value) for column, value in by_column.items()}
    return json_line(plain)


def _as_csv(explanation: "Explanation") -> str:
    errors = explanation.standard_errors
    more = [] if errors is None else ["standard_error"]
    rows: list[list[Any]] = [
        ["column", "value", "typical", "contribution", *more],
        ["", "", "", explanation.base, *[""] * len(more)],
    ]
    for name, contribution in explanation.attributions.items():
        cells = map(_cell, (explanation.values[name], explanation.baseline[name]))
        rows.append([name, *cells, contribution, *([] if errors is None else [errors[name]])])
    return csv_answers.csv_lines(rows, printable if sys.stdout.isatty() else str)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
