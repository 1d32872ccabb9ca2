"""Answers as text, as JSON Lines, or as CSV.

    text   label 1  probability 0.9927
    json   {"label": 1, "probability": 0.9927064, "probabilities": {"0": 0.007293582, "1": 0.9927064}}
    csv    label,probability,probability_0,probability_1

    text   value 3166.5
    json   {"value": 3166.5}
    csv    value

Text is for reading: probabilities are rounded to four decimals and values to six digits, and characters that are not
printable are escaped. JSON and CSV are exact: they have the shortest digits that give the same float again. On a
terminal CSV is escaped too, so that no label controls it; in a file or a pipe the labels are as they are. With
--flag-unseen follows what is unlike the training data: `unseen: mass: 9000 is far above ...` in text, an object in
JSON, a column in CSV.
"""

import csv
import functools
import io
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from edge_runtime.cli.json_lines import json_line
from edge_runtime.contract.signature import Label
from edge_runtime.contract.terminal import printable
from edge_runtime.rows.row import Row
from edge_runtime.rows.words import parse_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from edge_runtime.predictor import Predictor

Format = Literal["text", "json", "csv"]
Unseen: TypeAlias = dict[str, str]


def answer_writer(
    predictor: "Predictor", output_format: Format, flag_unseen: bool
) -> tuple[str, Callable[[Sequence[Row]], str]]:
    """How to write the answers of `predictor`.

    Returns:
        What comes before the first answer, and a function from rows, one at least, to the lines of their answers. The
        values of the rows are read already; the function raises InvalidInput if one does not fit the model's type.

    Raises:
        NoSignature: the model does not say what its outputs mean.
    """
    signature, answering = predictor.required_signature, predictor.answering
    labels = signature.labels
    # Asked once, not for every row.
    shown = printable if sys.stdout.isatty() else str
    renderers: dict[str, Callable[..., str]] = {
        "text": _as_text,
        "json": _as_json,
        "csv": functools.partial(_as_csv, shown),
    }
    render = renderers[output_format]

    def lines(rows: Sequence[Row]) -> str:
        feed = answering.reader.tensors_of_read(rows)
        outputs = answering.outputs_of(feed)
        predicted: Iterable[int] = signature.predicted(outputs) if labels else itertools.repeat(0, len(rows))
        flags: Iterable[Unseen | None] = itertools.repeat(None, len(rows))
        if flag_unseen:
            from edge_runtime.novelty import unseen

            flags = unseen(signature, feed)
        return "".join(map(functools.partial(render, labels), predicted, outputs, flags))

    names = ["label", "probability", *(f"probability_{label}" for label in labels)] if labels else ["value"]
    header = _csv_line(shown, [*names, "unseen"] if flag_unseen else names)
    return header if output_format == "csv" else "", lines


def answer_words(predictor: "Predictor", words: Sequence[str], output_format: Format, flag_unseen: bool = False) -> str:
    """The answer to one row that is given as words, with what comes before it.

    Raises:
        InvalidInput: there are too few or too many words, one is not a value of its feature, or a feature is missing.
        NoSignature: the model does not say what its outputs mean.
    """
    header, answers = answer_writer(predictor, output_format, flag_unseen)
    return header + answers([parse_words(words, predictor.required_signature.features)])


# Of one row: `output` holds the probability of each label, or the value if there are no labels.
def _as_text(labels: tuple[Label, ...], predicted: int, output: "npt.NDArray[Any]", unseen: Unseen | None) -> str:
    answer = f"label {labels[predicted]}  probability {output[predicted]:.4f}" if labels else f"value {output[0]:.6g}"
    return f"{printable(f'{answer}  unseen: {_reasons(unseen)}' if unseen else answer)}\n"


def _as_json(labels: tuple[Label, ...], predicted: int, output: "npt.NDArray[Any]", unseen: Unseen | None) -> str:
    numbers = [_json_number(number) for number in output]
    answer: dict[str, Any] = {"value": numbers[0]}
    if labels:
        answer = {
            "label": labels[predicted],
            "probability": numbers[predicted],
            "probabilities": dict(zip(map(str, labels), numbers, strict=True)),
        }
    if unseen is not None:
        answer["unseen"] = unseen
    return json_line(answer)


def _as_csv(
    shown: Callable[[object], str],
    labels: tuple[Label, ...],
    predicted: int,
    output: "npt.NDArray[Any]",
    unseen: Unseen | None,
) -> str:
    cells = [labels[predicted], output[predicted], *output] if labels else [output[0]]
    return _csv_line(shown, cells if unseen is None else [*cells, _reasons(unseen)])


def _reasons(unseen: Unseen) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in unseen.items())


def _json_number(value: Any) -> float | None:
    """The shortest decimal that gives `value` again in its own precision; None (null) for NaN and infinity."""
    return float(str(value)) if math.isfinite(value) else None


def _csv_line(shown: Callable[[object], str], cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(shown, cells))
    return line.getvalue()
