"""Which columns made an answer: how much each moved it away from the answer to a typical row.

The answers to rows whose columns are partly the row's own and partly typical are a game that the columns play, and its
Shapley values are what each column contributes (Štrumbelj and Kononenko, "An efficient explanation of individual
classifications using game theory", 2010; Lundberg and Lee, "A unified approach to interpreting model predictions",
2017). The typical values are the features' baselines: values that occurred in training. The model itself is asked, as
it answers everybody, so that this needs no gradients and nothing but the artifact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime import shapley
from edge_runtime.answering import Answering
from edge_runtime.contract.dates import MISSING_DATE, date_text
from edge_runtime.contract.errors import InvalidInput, NoBaseline
from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.terminal import aligned, printable
from edge_runtime.contract.values import has_codes, listed, read_value
from edge_runtime.rows.arrays import reading
from edge_runtime.rows.row import Row

# How many values of rows one call of the model holds at most, so that it takes a bounded amount of memory.
_CALL = 2**18
# How many columns `repr` shows.
_SHOWN = 5


@dataclass(frozen=True)
class Explanation:
    """What each column contributes to the answer to one row: `base` and all contributions add up to `answer`.

    The mappings are by column, the largest contribution first, whatever its sign. Values are what the model takes:
    numbers as its tensors hold them, True and False, categories, dates as text in ISO 8601, None for a missing value.

    Attributes:
        label: the label whose probability is explained; None in regression.
        answer: the probability of `label`, or the value, for the row.
        base: the same for the baseline, a row of typical values.
        attributions: what each column contributes to `answer`, in the same unit; 0 if its value is typical.
        values: what the row has in each column.
        baseline: what is typical of each column.
        standard_errors: how far an attribution may be off, as one standard deviation of its estimate; None if all are
            exact, as they are if no more than 14 columns differ from the baseline.
    """

    label: Label | None
    answer: float
    base: float
    attributions: Mapping[str, float]
    values: Mapping[str, Any]
    baseline: Mapping[str, Any]
    standard_errors: Mapping[str, float] | None = None

    def __repr__(self) -> str:
        label = "" if self.label is None else f"label={self.label!r}, "
        first = [f"{name!r}: {value:.4g}" for name, value in list(self.attributions.items())[:_SHOWN]]
        shown = ", ".join([*first, "..."] if len(self.attributions) > _SHOWN else first)
        return f"Explanation({label}answer={self.answer:.4g}, base={self.base:.4g}, attributions={{{shown}}})"

    def __str__(self) -> str:
        """The answer, and a line for each column that is not typical, as the command writes them."""
        form = ".6g" if self.label is None else ".4f"
        errors = self.standard_errors
        lines = [
            ("contribution", *([] if errors is None else ["standard error"]), "column", "value", "typical"),
            (f"{self.base:{form}}", *([] if errors is None else [""]), "(typical row)", "", ""),
        ]
        others = []
        for name, contribution in self.attributions.items():
            if self.values[name] == self.baseline[name]:
                others.append(name)
                continue
            error = [] if errors is None else [f"{errors[name]:{form}}"]
            lines.append(
                (f"{contribution:+{form}}", *error, name, *map(_text, (self.values[name], self.baseline[name])))
            )
        answer = (
            f"value {self.answer:{form}}"
            if self.label is None
            else f"label {self.label}  probability {self.answer:{form}}"
        )
        rest = [f"typical, and so without a contribution: {listed(others)}"] if others else []
        return "\n".join([printable(answer), *aligned(lines, right=range(len(lines[0]) - 3)), *map(printable, rest)])


def explained(answering: Answering, feed: Mapping[str, npt.NDArray[Any]], label: Any = None) -> Explanation:
    """What the columns of one row contribute to its answer.

    Args:
        answering: answers rows of named features.
        feed: what its reader has made of the row.
        label: the label to explain; by default the one that is predicted.

    Raises:
        InvalidInput: there is not one row, or no such label.
        NoBaseline: the signature does not say what is typical.
    """
    signature = answering.signature
    if (rows := len(next(iter(feed.values())))) != 1:
        raise InvalidInput(f"explain takes one row, found {rows}")
    typical = answering.row_reader.tensors_of_read([_typical_row(signature)])
    output = answering.outputs_of(feed)
    place = _place(signature, output, label)
    answer, base = float(output[0, place]), float(answering.outputs_of(typical)[0, place])
    values, baseline = _shown_row(signature, feed), _shown_row(signature, typical)
    differing = [name for name, value in values.items() if value != baseline[name]]
    game = _Game(answering, feed, typical, differing, place)
    found, errors = _shapley_values(game, base, answer, len(differing))
    attributions = dict.fromkeys(values, 0.0) | dict(zip(differing, found.tolist(), strict=True))
    order = sorted(values, key=lambda name: -abs(attributions[name]))
    of_each = [attributions, values, baseline]
    if errors is not None:
        of_each.append(dict.fromkeys(values, 0.0) | dict(zip(differing, errors.tolist(), strict=True)))
    shown_label = None if signature.task == "regression" else signature.labels[place]
    return Explanation(shown_label, answer, base, *({name: of[name] for name in order} for of in of_each))


class _Game:
    """The answers to rows that have some columns of one row and the others of another, as `shapley.Game` wants them."""

    def __init__(
        self,
        answering: Answering,
        feed: Mapping[str, npt.NDArray[Any]],
        typical: Mapping[str, npt.NDArray[Any]],
        players: Sequence[str],
        place: int,
    ) -> None:
        """Mix the rows `feed` and `typical` in the columns `players`, and take the outputs at `place`."""
        self._answering, self._typical, self._place = answering, typical, place
        cells = _cells(answering.signature)
        self._cells = [(*cells[name], feed[cells[name][0]][0, cells[name][1]]) for name in players]
        # If an answer depends on the other rows of its call, it is that of a call of its own, as for users.
        is_split = answering.has_independent_rows
        self._most = max(1, _CALL // len(answering.signature.features)) if is_split else 1

    def __call__(self, coalitions: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        numbers = np.empty(len(coalitions))
        for start in range(0, len(coalitions), self._most):
            part = coalitions[start : start + self._most]
            feed = {name: values.repeat(len(part), axis=0) for name, values in self._typical.items()}
            for (name, column, value), is_in in zip(self._cells, part.T, strict=True):
                feed[name][is_in, column] = value
            numbers[start : start + len(part)] = self._answering.outputs_of(feed)[:, self._place]
        return numbers


def _shapley_values(
    game: shapley.Game, base: float, answer: float, players: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    """The values, and their standard errors unless they are exact."""
    if not players:
        return np.empty(0), None
    if players <= shapley.MOST_EXACT:
        return shapley.exact(game, base, answer, players), None
    return shapley.sampled(game, base, answer, players)


def _typical_row(signature: Signature) -> Row:
    """The baselines of the features as the model's tensors hold them."""
    if unknown := [feature.name for feature in signature.features if feature.baseline is None]:
        raise NoBaseline(
            f"the model does not say what is typical of {listed(unknown)}, so that its answers cannot be explained; "
            "train and export it again with this version, or give each Feature of its signature a baseline"
        )
    return [_as_read(feature.baseline, feature) for feature in signature.features]


def _as_read(baseline: Any, feature: Feature) -> float | str:
    if baseline == "":
        return read_value(baseline, feature)
    if feature.kind == "categorical":
        return str(baseline)
    return int(baseline) if feature.kind == "date" else float(baseline)


@reading
def _place(signature: Signature, output: npt.NDArray[Any], label: Any) -> int:
    """Which output is explained."""
    if signature.task == "regression":
        if label is not None:
            raise InvalidInput("label is for a model with labels, and this one is a regression")
        return 0
    if label is None:
        return int(signature.predicted(output)[0])
    if label not in signature.labels:
        raise InvalidInput(f"the model has no label {label!r}; its labels are {listed(map(str, signature.labels))}")
    return signature.labels.index(label)


def _cells(signature: Signature) -> dict[str, tuple[str, int]]:
    """The tensor and the column of each feature, in the order of a row's values."""
    cells = {
        name: (tensor.name, column) for tensor in signature.inputs for column, name in enumerate(tensor.feature_names)
    }
    return {name: cells[name] for name in signature.feature_names}


def _shown_row(signature: Signature, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What the one row in `feed` has in each column, as `Explanation` shows it."""
    cells = zip(signature.features, _cells(signature).values(), strict=True)
    return {feature.name: _shown(feed[tensor][0, column], feature) for feature, (tensor, column) in cells}


def _shown(value: Any, feature: Feature) -> Any:
    if value != value or value == (MISSING_DATE if feature.kind == "date" else ""):
        return None
    if feature.kind == "date":
        return date_text(int(value))
    if feature.kind == "categorical":
        return int(value) if has_codes(feature) else str(value)
    # The shortest decimal that gives this float of the tensor's type again.
    return bool(value == 1) if feature.kind == "boolean" else float(str(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
