"""Answers as text: for people, as JSON Lines, as CSV.

    text   label 1  probability 0.9927
    json   {"label": 1, "probability": 0.9927064, "probabilities": {"0": 0.007293582, "1": 0.9927064}}
    csv    label,probability,probability_0,probability_1

Text is rounded to four decimals; json and csv carry the shortest digits that give the same float back.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from edge_runtime.rows import parse_values
from edge_runtime.signature import Label

if TYPE_CHECKING:
    import numpy.typing as npt

    from edge_runtime.predictor import Predictor

Format = Literal["text", "json", "csv"]


def answer_writer(predictor: "Predictor", output_format: Format) -> tuple[str, Callable[[Any], str]]:
    """How to write the answers of `predictor`: what comes first, and a function from rows to their lines.

    The function takes rows of shape (rows, features) and raises what `Predictor.predict_proba` raises.

    Raises:
        NoSignature: the model does not say what its outputs mean.
    """
    signature = predictor.required_signature
    labels = signature.labels
    render = {"text": _as_text, "json": _as_json, "csv": _as_csv}[output_format]

    def lines(rows: Any) -> str:
        probabilities = predictor.predict_proba(rows)
        predicted = signature.predicted(probabilities)
        return "".join(render(labels, index, row) for index, row in zip(predicted, probabilities, strict=True))

    header = _csv_line(["label", "probability", *(f"probability_{label}" for label in labels)])
    return header if output_format == "csv" else "", lines


def answer_words(predictor: "Predictor", words: Sequence[str], output_format: Format) -> str:
    """The answer to one row that is given as words, with what comes before it.

    Raises:
        InvalidInput: there are too few words or too many, or one is no number.
        NoSignature: the model does not say what its outputs mean.
    """
    header, answers = answer_writer(predictor, output_format)
    features = [feature.name for feature in predictor.required_signature.features]
    return header + answers([parse_values(words, features)])


def _as_text(labels: tuple[Label, ...], predicted: int, probabilities: "npt.NDArray[Any]") -> str:
    return f"label {labels[predicted]}  probability {probabilities[predicted]:.4f}\n"


def _as_json(labels: tuple[Label, ...], predicted: int, probabilities: "npt.NDArray[Any]") -> str:
    numbers = [_json_number(probability) for probability in probabilities]
    answer = {
        "label": labels[predicted],
        "probability": numbers[predicted],
        "probabilities": dict(zip(map(str, labels), numbers, strict=True)),
    }
    return json.dumps(answer, ensure_ascii=False) + "\n"


def _as_csv(labels: tuple[Label, ...], predicted: int, probabilities: "npt.NDArray[Any]") -> str:
    return _csv_line([labels[predicted], probabilities[predicted], *probabilities])


def _json_number(value: Any) -> float | None:
    """The shortest decimal that gives `value` back in its own precision; JSON has no NaN, so null stands for it."""
    return None if value != value else float(str(value))


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([str(cell) for cell in cells])
    return line.getvalue()
