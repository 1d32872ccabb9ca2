"""Rows in, answers out: how a model with a signature is called, in the fastest way for each size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput, NoFeatures
from edge_runtime.contract.labels import as_classes
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import forks
from edge_runtime.engine.bound_buffers import UNPACKABLE, BoundBuffers
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.feed_runner import FeedRunner
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.placement import Placement
from edge_runtime.novelty import Novelty
from edge_runtime.prediction import Prediction
from edge_runtime.rows.arrays import holds_no_rows
from edge_runtime.rows.row_reader import RowReader
from edge_runtime.rows.tensor_reader import TensorReader, declared

# Prediction(...) takes twice as long.
_new = dict.__new__

# Calls of up to so many numbers go through bound buffers of the thread; larger ones read and write their own arrays.
_COPIED = 16 * 1024

# From so many rows on numpy releases Python's lock in each operation, for other threads to take.
_UNLOCKED = 500


class _Parts:
    """What answers need. All but the signature is made before the first one: opening a model need not wait for it."""

    def __init__(self, placement: Placement, signature: Signature) -> None:
        """Answer on the sessions of `placement`, as `signature` describes them."""
        self._placement, self.signature = placement, signature
        self.is_ready = self._is_bindable = self._binds_many = False
        self._of_codes: tuple[str, FeedRunner] | None = None
        # How many numbers a row has, and how many rows are copied into bound buffers at most.
        self._columns = self._most_copied = 0

    def prepare(self) -> None:
        """Make them. Several threads may do so at the same time."""
        placement, signature, session = self._placement, self.signature, self._placement.main
        # An input of numbers, if there is one: the others hold strings or dates.
        apart = {tensor.name for tensor in signature.inputs if tensor.holds_dates}
        self._source = min(session.inputs, key=lambda spec: (spec.dtype == np.object_, spec.name in apart))
        self._target = next(spec for spec in session.outputs if spec.name == signature.output)
        assert self._target.dtype is not None
        self.reader: RowReader | TensorReader
        if signature.has_features:
            assert self._source.dtype is not None
            self.reader = RowReader(signature, self._source.dtype)
        else:
            self.reader = TensorReader(session.inputs, self._target.shape[0])
        self.novelty = Novelty(signature)
        self._labels = signature.labels
        self.classes = as_classes(self._labels)
        self.classes.flags.writeable = False
        self._is_binary = signature.task == "binary_classification"
        self._is_regression = signature.task == "regression"
        # As numpy compares an array of this type with it.
        self._threshold = float(self._target.dtype.type(signature.threshold))
        # Of tensors without a common batch it is not known which axis is that of the rows.
        is_counted = signature.has_features or self._source.shape[:1] == self._target.shape[:1]
        self._counted = self._source.name if is_counted else None
        self._runner = FeedRunner(placement, [self._target], self._is_binary, self._counted)
        self._of_no_rows = np.empty((0, max(len(self._labels), 1)), self._target.dtype)
        self._turns, self._is_small = placement.turns, placement.is_small(1)
        # Last, since other threads look at them.
        self._is_bindable = _is_bindable(self.reader, self._source, self._target, placement)
        self._binds_many = self._is_bindable and session.provider == CPU
        if self._binds_many:
            self._columns = len(signature.features)
            self._most_copied = min(_COPIED // self._columns, placement.most_unsplit, placement.most_on_one)
        self.is_ready = True

    @property
    def has_independent_rows(self) -> bool:
        """See `FeedRunner.has_independent_rows`."""
        return self._runner.has_independent_rows

    def take_codes(self) -> tuple[TensorSpec, ...] | None:
        """Let `outputs_of` take category codes as well as strings, which is faster from thousands of rows on.

        Returns:
            The inputs of the model, those of strings as int64 of the same names and shapes; None if it goes on with
            strings alone.
        """
        # Only programs that answer many rows do it.
        from edge_runtime.engine.coded_placement import coded_placement

        placement = coded_placement(self._placement, self.signature)
        if placement is None:
            return None
        text = next(tensor.name for tensor in self.signature.inputs if tensor.holds_strings)
        self._of_codes = text, FeedRunner(placement, [self._target], self._is_binary, self._counted)
        return placement.main.inputs

    def outputs_beside(self, feed: Mapping[str, npt.NDArray[Any]], name: str) -> list[npt.NDArray[np.floating[Any]]]:
        """The answers of a regression to `feed`, and its output `name`, both of shape (rows, 1), in one call.

        Args:
            feed: as `Answering.outputs_of` takes it.
            name: of an output of the same shape.
        """
        if not len(feed[self._source.name]):
            return [self._of_no_rows, self._of_no_rows]
        return self._runner_for(feed).choosing((self._target.name, name)).run(feed)

    def _runner_for(self, feed: Mapping[str, npt.NDArray[Any]]) -> FeedRunner:
        if self._of_codes is not None and feed[self._of_codes[0]].dtype != np.object_:
            return self._of_codes[1]
        return self._runner

    def _new_buffers(self, rows: int) -> BoundBuffers:
        return BoundBuffers(self._placement.main, self._source, self._target, rows, self._is_binary)


class Answering(_Parts):
    """Answers rows with a model whose output holds probabilities or values.

    Attributes:
        signature: the meaning of rows and answers.
        classes: its labels, shape (classes,).
        reader: makes the model's inputs of what is to be answered: rows of named features, or tensors.
        novelty: tells what in the inputs training never saw.
        is_ready: whether `prepare` has set all other attributes but the signature.
    """

    def __repr__(self) -> str:
        return f"Answering({self.signature!r}, {self._placement.main.provider})"

    @property
    def row_reader(self) -> RowReader:
        """`reader`, for code that needs named features.

        Raises:
            NoFeatures: the model takes tensors.
        """
        if isinstance(self.reader, RowReader):
            return self.reader
        raise NoFeatures(f"{declared(self._placement.main.inputs)}, which has no named features")

    def one(self, row: Any) -> Prediction | float:
        """See `Predictor.predict_one`."""
        if not self._is_bindable:
            return self._one_unbound(row)
        turn = self._turns.current
        try:
            held = turn.pop()
        except IndexError:
            turn, held = self._turns.other(is_small=self._is_small)
        try:
            buffers = held.one
            if buffers is None:
                buffers = held.one = self._new_buffers(1)
            if type(row) is list or type(row) is tuple:
                try:
                    buffers.pack(*row)
                except UNPACKABLE:
                    (buffers.input[...],) = _one_row(self.reader, row).values()
            elif type(row) is np.ndarray and row.dtype is buffers.row_type and row.shape in buffers.row_shapes:
                buffers.input[...] = row
            else:
                (buffers.input[...],) = _one_row(self.reader, row).values()
            try:
                buffers.run()
            except Exception as error:
                raise translated(error, "the model") from error
            if self._is_binary:
                probability = buffers.item()
                if probability > self._threshold:
                    label = self._labels[1]
                else:
                    # Rounded to the model's type.
                    buffers.pack_item(1.0 - probability)
                    label, probability = self._labels[0], buffers.item()
            elif self._is_regression:
                return buffers.item()  # type: ignore[no-any-return]
            else:
                values = buffers.output.tolist()[0]
                total = sum(values)
                is_nan = total != total
                index = int(self.signature.predicted(buffers.output)[0]) if is_nan else values.index(max(values))
                label, probability = self._labels[index], values[index]
            answer = _new(Prediction)
            answer["label"], answer["probability"] = label, probability
            return answer
        finally:
            turn.append(held)

    def outputs(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """The answers to `rows`, in any form that `Predictor.predict` takes.

        Returns:
            The probability of each label, shape (rows, classes); or values, shape (rows, 1).

        Raises:
            InvalidInput: see `Predictor.predict`.
        """
        if type(rows) is np.ndarray:
            if rows.ndim == 2 and rows.shape[1] == self._columns and len(rows) and rows.dtype is self._source.dtype:
                # The usual case: what follows would take as long as a third of a small call.
                if len(rows) <= self._most_copied:
                    return self._of_copied(rows)
                return self._of_many(rows)
        elif type(rows) is list and self._binds_many:
            # It may be one row, which is faster to write into bound buffers than to convert.
            turn, held = self._turns.take(self._is_small)
            try:
                if (buffers := held.one) is not None:
                    buffers.pack(*(rows[0] if len(rows) == 1 and type(rows[0]) is list else rows))
                    return buffers.answer()
            except UNPACKABLE:
                pass
            finally:
                turn.append(held)
        return self._of_no_rows if holds_no_rows(rows) else self.outputs_of(self.reader.tensors(rows))

    def outputs_of(self, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.floating[Any]]:
        """The answers to `feed`, which `reader` has made of rows, or holds codes. Returns: as `outputs`."""
        numbers = feed[self._source.name]
        # Not every operator takes a batch of no rows.
        if numbers.shape[:1] == (0,) and self._source.shape[:1] == self._target.shape[:1]:
            return self._of_no_rows
        if len(numbers) <= self._most_copied:
            return self._of_copied(numbers)
        return self._runner_for(feed).run(feed)[0]  # type: ignore[no-any-return]

    def _of_copied(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
        """The answers to `numbers`, the one input, of up to `_most_copied` rows."""
        rows = len(numbers)
        turn = self._turns.current
        try:
            held = turn.pop()
        except IndexError:
            if rows > _UNLOCKED:
                return self._of_many(numbers)
            turn, held = self._turns.other(self._placement.is_small(rows))
        try:
            buffers = held.many
            if buffers is None or (len(buffers.input) != rows and held.last == rows):
                buffers = held.many = self._new_buffers(rows)
            held.last = rows
            if len(buffers.input) == rows:
                buffers.input[...] = numbers
                return buffers.answer()
        finally:
            turn.append(held)
        # To bind buffers takes as long as several calls, and each may be of another size.
        return self._of_many(numbers)

    def _of_many(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
        """The answers to `numbers`, the one input, by ONNX Runtime's own call."""
        return self._runner.run({self._source.name: np.ascontiguousarray(numbers)})[0]  # type: ignore[no-any-return]

    def _one_unbound(self, row: Any) -> Prediction | float:
        if not self.is_ready:
            self.prepare()
            return self.one(row)
        outputs = self.outputs(row)
        _check_one(len(outputs))
        (output,) = outputs
        if self._is_regression:
            return float(output[0])
        index = int(self.signature.predicted(output[None])[0])
        return Prediction(self._labels[index], float(output[index]))


def _is_bindable(
    reader: RowReader | TensorReader, source: TensorSpec, target: TensorSpec, placement: Placement
) -> bool:
    """Whether bound buffers can hold the input `source` and the output `target`."""
    # The shape of the output must be known before the call, ONNX Runtime does not bind strings, and `FeedRunner` sees
    # that integers are within their ranges.
    return (
        isinstance(reader, RowReader)
        and reader.is_plain
        and isinstance(source.shape[0], str)
        and target.shape[0] == source.shape[0]
        and placement.ranges is None
        and placement.main.shares_memory
        and placement.main.provider in (CPU, CUDA)
    )


def _one_row(reader: RowReader | TensorReader, row: Any) -> dict[str, npt.NDArray[Any]]:
    feed = reader.tensors(row)
    _check_one(len(next(iter(feed.values()))))
    return feed


def _check_one(rows: int) -> None:
    if rows != 1:
        raise InvalidInput(f"predict_one takes one row, found {rows}; use predict or predict_proba")


forks.makes_calls(Answering, "one")
