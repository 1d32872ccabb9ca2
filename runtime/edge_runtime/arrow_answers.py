"""Answers as record batches of Arrow, with the columns that `csv_answers` has."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime import csv_answers
from edge_runtime.contract.errors import InferenceFailed, NoProbabilities
from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Signature
from edge_runtime.csv_answers import Unseen
from edge_runtime.tables.arrow_arrays import of_numbers, of_strings


class ArrowAnswers:
    """Makes record batches of the outputs of a model with a signature.

    Attributes:
        names: the names of the columns.
    """

    def __init__(
        self, signature: Signature, top: int | None = None, flag_unseen: bool = False, has_interval: bool = False
    ) -> None:
        """Make them for outputs as `signature` describes them.

        Args:
            signature: what the outputs mean.
            top: how many labels have columns, the most probable ones of each row; all if None.
            flag_unseen: whether there is a column of what is unlike the training data.
            has_interval: whether there are columns of the bounds of the value's interval, or of the set of labels.

        Raises:
            NoProbabilities: the top labels of a regression are asked for.
        """
        if top is not None and not signature.labels:
            raise NoProbabilities("the top labels are asked for, and the model is a regression")
        self._signature, self._top, self._flag_unseen = signature, top, flag_unseen
        self.names = csv_answers.header(signature.labels, top, flag_unseen, has_interval)
        self._labels = _labels(signature.labels) if signature.labels else None

    def __repr__(self) -> str:
        return f"ArrowAnswers({', '.join(self.names)})"

    def batch(
        self,
        outputs: npt.NDArray[np.floating[Any]],
        unseen: Mapping[int, Unseen] | None = None,
        intervals: Any = None,
    ) -> Any:
        """The answers of some rows.

        Args:
            outputs: the probability of each label, shape (rows, classes), or values, shape (rows, 1), as
                `Answering.outputs` returns them.
            unseen: by row, what is unlike the training data in it, and why, by column.
            intervals: what `Intervals.of` returns beside the outputs; None if there are no columns for it.

        Returns:
            A `pyarrow.RecordBatch`: labels in their own type, probabilities and values in the model's.
        """
        if self._labels is None:
            columns = [of_numbers(outputs[:, 0])]
        else:
            predicted = self._signature.predicted(outputs)
            columns = self._ranked(outputs, predicted) if self._top is not None else self._all(outputs, predicted)
        if intervals is not None:
            columns += self._sets(*intervals) if self._labels is not None else map(of_numbers, intervals.T)
        if self._flag_unseen:
            columns.append(_reasons(unseen or {}, len(outputs)))
        return pa.RecordBatch.from_arrays(columns, names=self.names)

    def _all(self, outputs: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> list[Any]:
        of_predicted = outputs[np.arange(len(outputs)), predicted]
        return [self._label(predicted), of_numbers(of_predicted), *map(of_numbers, outputs.T)]

    def _ranked(self, outputs: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> list[Any]:
        """The most probable labels, the predicted one first."""
        assert self._top is not None
        rows = np.arange(len(outputs))
        places = (-outputs).argsort(axis=1, kind="stable")
        # The predicted label is the most probable one, but for the threshold of two labels, and for NaN.
        others = places[places != predicted[:, None]].reshape(len(outputs), outputs.shape[1] - 1)
        ranked = np.column_stack([predicted, others])[:, : self._top]
        return [
            column
            for place in range(ranked.shape[1])
            for column in (self._label(ranked[:, place]), of_numbers(outputs[rows, ranked[:, place]]))
        ]

    def _sets(self, places: npt.NDArray[Any], counts: npt.NDArray[Any]) -> list[Any]:
        """The column of the sets of labels, from what `Conformal.label_sets` returns."""
        offsets = np.concatenate([[0], counts.cumsum()]).astype(np.int32)
        return [pa.ListArray.from_arrays(of_numbers(offsets), self._label(places))]

    def _label(self, places: npt.NDArray[Any]) -> Any:
        assert self._labels is not None
        return self._labels.take(of_numbers(places))


def output_batch(outputs: Mapping[str, Any], rows: int) -> Any:
    """The outputs of a model without a signature, as `Predictor.run` returns them.

    Args:
        outputs: by name, arrays whose first axis is that of the rows, or for each row a map.
        rows: how many rows they answer.

    Returns:
        A `pyarrow.RecordBatch`. The column of an output has its name. An output with several values a row has a column
        for each: name_0, name_1, ..., and by the keys of its maps: name_cat, name_dog.

    Raises:
        InferenceFailed: an output does not have a value for each row.
    """
    columns: dict[str, Any] = {}
    for name, output in outputs.items():
        if isinstance(output, list) and output and all(isinstance(one, Mapping) for one in output):
            _check_rows(name, len(output), rows)
            for key in output[0]:
                columns[f"{name}_{key}"] = pa.array([one.get(key) for one in output])
            continue
        if isinstance(output, list) and not rows:
            continue
        values = np.asarray(output)
        _check_rows(name, len(values) if values.ndim else -1, rows)
        width = int(np.prod(values.shape[1:]))
        flat = values.reshape(rows, width)
        if width == 1:
            columns[name] = of_numbers(flat[:, 0])
            continue
        for place, index in enumerate(np.ndindex(values.shape[1:])):
            columns["_".join([name, *map(str, index)])] = of_numbers(flat[:, place])
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _check_rows(name: str, found: int, rows: int) -> None:
    if found != rows:
        has = f"{found} values" if found >= 0 else "one value for all rows"
        raise InferenceFailed(f"the output {name} has {has} for {rows} rows, so it is not a column; use Predictor.run")


def _labels(labels: Sequence[Label]) -> Any:
    if all(isinstance(label, str) for label in labels):
        return of_strings([str(label) for label in labels])
    try:
        if all(type(label) is int for label in labels):
            return of_numbers(np.array(labels, np.int64))
        return pa.array(labels)
    except (pa.ArrowInvalid, OverflowError):  # integers of which one is beyond 63 bits
        return pa.array(list(map(Decimal, labels)), pa.decimal128(20, 0))


def _reasons(unseen: Mapping[int, Unseen], rows: int) -> Any:
    reasons: Sequence[str] = [""] * rows
    if unseen:
        reasons = [csv_answers.reasons(unseen.get(row, {})) for row in range(rows)]
    return pa.array(reasons, pa.string())
