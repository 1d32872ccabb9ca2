"""Answers as text, as JSON Lines, or as CSV.

    text   label 1  probability 0.9927
    json   {"label": 1, "probability": 0.9927064, "probabilities": {"0": 0.007293582, "1": 0.9927064}}
    csv    label,probability,probability_0,probability_1

    text   value 3166.5
    json   {"value": 3166.5}
    csv    value

Of many labels, --top 3 shows only the three that are most probable, the answer first:

    text   label cat  probability 0.8127  next dog 0.1611, fox 0.0262
    json   {"label": "cat", "probability": 0.8127, "probabilities": {"cat": 0.8127, "dog": 0.1611, "fox": 0.0262}}
    csv    label,probability,label_2,probability_2,label_3,probability_3

Text is for reading: probabilities are rounded to four decimals and values to six digits, and characters that are not
printable are escaped. JSON and CSV are exact: they have the shortest digits that give the same float again. On a
terminal CSV is escaped too, so that no label controls it; in a file or a pipe the labels are as they are. With
--flag-unseen follows what is unlike the training data: `unseen: mass: 9000 is far above ...` in text, an object in
JSON, a column in CSV.

Before that comes with --interval 0.9 the interval around a value, or the set of labels:

    text   value 3166.5  90% interval 3021 to 3312
    json   {"value": 3166.5, "lower": 3021.0, "upper": 3312.0}
    csv    value,lower,upper

    text   label cat  probability 0.8127  90% set cat, dog
    json   {"label": "cat", ..., "set": ["cat", "dog"]}
    csv    label,probability,probability_cat,...,set
"""

import functools
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge_runtime import csv_answers
from edge_runtime.cli.json_lines import json_line, json_number
from edge_runtime.contract.errors import InvalidInput, NoProbabilities
from edge_runtime.contract.labels import Label
from edge_runtime.contract.terminal import printable
from edge_runtime.csv_answers import Unseen
from edge_runtime.rows.words import parse_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from edge_runtime.answering import Answering
    from edge_runtime.predictor import Predictor
    from edge_runtime.rows.row import Row

Format = Literal["text", "json", "csv"]


@dataclass(frozen=True)
class Asked:
    """How answers are wanted.

    Attributes:
        output_format: how they are written.
        flag_unseen: whether to add what is unlike the training data; for a model with named features.
        top: how many labels are shown at most, the most probable ones; all if None.
        explain: whether to say what each column contributes, for one row.
        interval: the coverage of the intervals or sets that are added; None for none.
    """

    output_format: Format = "text"
    flag_unseen: bool = False
    top: int | None = None
    explain: bool = False
    interval: float | None = None


def answer_writer(predictor: "Predictor", asked: Asked) -> tuple[str, Callable[[Mapping[str, Any]], str]]:
    """How to write the answers of `predictor`.

    Returns:
        What comes before the first answer, and a function from the model's inputs for some rows to the lines of their
        answers.

    Raises:
        NoSignature: the model does not say what its outputs mean.
        NoProbabilities: the top labels of a regression are asked for.
        NoIntervals: intervals or sets are asked for, and the model does not carry what they are made of.
        InvalidInput: their coverage is larger than the model allows.
    """
    signature, answering = predictor.required_signature, predictor.answering
    labels, top = signature.labels, asked.top
    if top is not None and not labels:
        raise NoProbabilities("--top is for labels, and the model is a regression")
    # Asked once, not for every row.
    shown = printable if sys.stdout.isatty() else str
    renderers: dict[str, Callable[..., str]] = {
        "text": functools.partial(_as_text, asked.interval),
        "json": _as_json,
        "csv": functools.partial(_as_csv, shown),
    }
    render = functools.partial(renderers[asked.output_format], labels, top)

    outputs_of = _with_intervals(answering, asked.interval)

    def lines(feed: Mapping[str, Any]) -> str:
        outputs, intervals = outputs_of(feed)
        predicted: Iterable[int] = signature.predicted(outputs) if labels else itertools.repeat(0)
        flags: Iterable[Unseen | None] = itertools.repeat(None)
        if asked.flag_unseen:
            flags = answering.novelty.unseen(feed)
        return "".join(map(render, predicted, outputs, flags, intervals))

    header = csv_answers.header(labels, top, asked.flag_unseen, asked.interval is not None)
    first = csv_answers.csv_lines([header], shown)
    return first if asked.output_format == "csv" else "", lines


def _with_intervals(
    answering: "Answering", coverage: float | None
) -> Callable[[Mapping[str, Any]], tuple["npt.NDArray[Any]", Iterable[Any]]]:
    """What gives the outputs for the model's inputs, and for each row its interval, the labels of its set, or None."""
    if coverage is None:
        return lambda feed: (answering.outputs_of(feed), itertools.repeat(None))
    from edge_runtime.intervals import Intervals, labels_of  # most programs do not ask

    intervals, labels = Intervals(answering, coverage), answering.signature.labels

    def found(feed: Mapping[str, Any]) -> tuple["npt.NDArray[Any]", Iterable[Any]]:
        outputs, of_rows = intervals.of(feed)
        return outputs, labels_of(labels, *of_rows) if labels else of_rows

    return found


def answer_words(predictor: "Predictor", words: Sequence[str], asked: Asked) -> str:
    """The answer to one row that is given as words, with what comes before it.

    Raises:
        InvalidInput, NoSignature: as `row_of_words`, and as `answer_writer`.
        NoProbabilities, NoIntervals: as `answer_writer`.
    """
    row = row_of_words(predictor, words)
    header, answers = answer_writer(predictor, asked)
    return header + answers(predictor.answering.row_reader.tensors_of_read([row]))


def row_of_words(predictor: "Predictor", words: Sequence[str]) -> "Row":
    """One row that is given as words.

    Raises:
        InvalidInput: there are too few or too many words, one is not a value of its feature, or a feature is missing;
            or the model takes tensors.
        NoSignature: the model does not say what its inputs mean.
    """
    signature = predictor.required_signature
    if not signature.has_features:
        from edge_runtime.rows.tensor_reader import declared  # it imports numpy

        raise InvalidInput(
            f"{declared(predictor.inputs)}, which is not a row of named values; give a file of arrays with --input"
        )
    return parse_words(words, signature.features)


# Of one row: `output` holds the probability of each label, or the value if there are no labels. `top` is how many
# labels are shown, all if it is None. `interval` holds two bounds, or the labels of the set.
def _as_text(
    coverage: float | None,
    labels: tuple[Label, ...],
    top: int | None,
    predicted: int,
    output: "npt.NDArray[Any]",
    unseen: Unseen | None,
    interval: Sequence[Any] | None,
) -> str:
    answer = f"label {labels[predicted]}  probability {output[predicted]:.4f}" if labels else f"value {output[0]:.6g}"
    if top is not None and (others := csv_answers.most_probable(top, predicted, output)[1:]):
        answer += f"  next {', '.join(f'{labels[place]} {output[place]:.4f}' for place in others)}"
    if coverage is not None and interval is not None:
        shown = f"set {', '.join(map(str, interval))}" if labels else "interval {:.6g} to {:.6g}".format(*interval)
        answer += f"  {100 * coverage:g}% {shown}"
    return f"{printable(f'{answer}  unseen: {csv_answers.reasons(unseen)}' if unseen else answer)}\n"


def _as_json(
    labels: tuple[Label, ...],
    top: int | None,
    predicted: int,
    output: "npt.NDArray[Any]",
    unseen: Unseen | None,
    interval: Sequence[Any] | None,
) -> str:
    answer: dict[str, Any]
    if labels:
        places = range(len(labels)) if top is None else csv_answers.most_probable(top, predicted, output)
        answer = {
            "label": labels[predicted],
            "probability": json_number(output[predicted]),
            "probabilities": {str(labels[place]): json_number(output[place]) for place in places},
        }
    else:
        answer = {"value": json_number(output[0])}
    if interval is not None:
        bounds = {"set": interval} if labels else dict(zip(("lower", "upper"), map(json_number, interval), strict=True))
        answer.update(bounds)
    if unseen is not None:
        answer["unseen"] = unseen
    return json_line(answer)


def _as_csv(
    shown: Callable[[object], str],
    labels: tuple[Label, ...],
    top: int | None,
    predicted: int,
    output: "npt.NDArray[Any]",
    unseen: Unseen | None,
    interval: Sequence[Any] | None,
) -> str:
    return csv_answers.csv_lines([csv_answers.cells(labels, top, predicted, output, unseen, interval)], shown)
