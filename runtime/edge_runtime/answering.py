"""Rows in, answers out: how a model with a signature is called, by the shortest way for each size."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Label, Signature
from edge_runtime.engine.bound_buffers import UNPACKABLE, BoundBuffers, ThreadBuffers, complete
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.rows.row_reader import RowReader

_new = tuple.__new__

# Calls of up to so many numbers go through buffers of the thread's own; larger ones read and write their own arrays.
_COPIED = 16 * 1024


class Prediction(NamedTuple):
    """The answer to one row.

    Attributes:
        label: the predicted class.
        probability: of that label, from 0 to 1; NaN where the row leads to none.
    """

    label: Label
    probability: float


class Answering:
    """A session whose inputs hold rows of features, and whose output holds probabilities or values.

    Attributes:
        records: reads rows into its inputs.
    """

    def __init__(self, placement: Placement, signature: Signature) -> None:
        """Answer by the sessions of `placement` as `signature` says."""
        self._placement, self._signature = placement, signature
        session = self._session = placement.main
        # Of the numbers; where the inputs are texts alone there is no such thing as its type.
        self._source = min(session.inputs, key=lambda spec: spec.dtype == np.object_)
        self._target = next(spec for spec in session.outputs if spec.name == signature.output)
        assert self._source.dtype is not None
        self.records = RowReader(signature, self._source.dtype)
        self._labels = signature.labels
        self._is_binary = signature.task == "binary_classification"
        self._is_regression = signature.task == "regression"
        self._columns = 1 if self._is_regression else len(self._labels)
        assert self._target.dtype is not None
        self._scalar = self._target.dtype.type
        # As numpy compares an array of this type with it.
        self._threshold = float(self._scalar(signature.threshold))
        # A row for each row: only then is the shape of the output known before the call.
        batch = self._source.shape[0]
        self._is_divisible = isinstance(batch, str) and self._target.shape[0] == batch
        # ONNX Runtime binds no texts, and what is no plain number has to be looked at before it is packed.
        self._is_bindable = self._is_divisible and self.records.is_plain and session.provider in (CPU, CUDA)
        self._has_lanes = self._is_bindable and session.provider == CPU
        self._lanes = ThreadBuffers()
        # On a GPU all threads share them: each one's own buffers and graph would take of its memory.
        self._on_gpu = session.provider == CUDA
        self._shared: list[BoundBuffers] = []

    def one(self, row: Any) -> Prediction | float:
        """See `Predictor.predict_one`."""
        lanes = self._lanes
        lane = lanes.one
        if lane is None:
            if not self._is_bindable or self._on_gpu:
                return self._one_otherwise(row)
            lane = self._new_lane(1)
        # Out of reach meanwhile: a signal handler or a finalizer may call in between.
        lanes.one = None
        try:
            if type(row) is not list and type(row) is not tuple:
                raise TypeError
            lane.pack(lane.memory, 0, *row)
        except UNPACKABLE:
            (lane.input[...],) = self._one_row(row).values()
        try:
            lane.run()
        except Exception as error:
            raise translated(error, "the model") from error
        # tuple.__new__, since Prediction(...) takes twice as long.
        if self._is_binary:
            positive = lane.output.item()
            if positive > self._threshold:
                lanes.one = lane
                return _new(Prediction, (self._labels[1], positive))
            # Rounded as the model's type has it.
            lane.pack_one(lane.output_memory, 0, 1.0 - positive)
            negative = lane.output.item()
            lanes.one = lane
            return _new(Prediction, (self._labels[0], negative))
        if self._is_regression:
            value = lane.output.item()
            lanes.one = lane
            return value  # type: ignore[no-any-return]
        values = lane.output.tolist()[0]
        total = sum(values)
        index = values.index(max(values)) if total == total else int(self._signature.predicted(lane.output)[0])
        lanes.one = lane
        return _new(Prediction, (self._labels[index], values[index]))

    def outputs(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """The probability of each label, shape (rows, classes), see `Predictor.predict_proba`; or values, (rows, 1)."""
        lanes = self._lanes
        if type(rows) is list and (lane := lanes.one) is not None:
            lanes.one = None
            try:
                lane.pack(lane.memory, 0, *(rows[0] if len(rows) == 1 and type(rows[0]) is list else rows))
            except UNPACKABLE:
                lanes.one = lane
            else:
                result = lane.answer()
                lanes.one = lane
                return result
        feed = self.records.tensors(rows)
        return self._computed(feed[self._source.name], feed)

    def _computed(self, matrix: npt.NDArray[Any], feed: Mapping[str, npt.NDArray[Any]] | None) -> npt.NDArray[Any]:
        """The answers to `feed`, in which `matrix` is the input of numbers; None where there is no other."""
        count = len(matrix)
        divides = self._placement.divides(count)
        large = divides or matrix.size > _COPIED
        if large or not self._has_lanes or not count:
            feed = feed or {self._source.name: matrix}
            session = self._placement.of_call(count, feed) if large else self._session
            if divides and self._is_divisible and session.provider == CPU:
                return self._in_blocks(feed, count)
            return self._in_one_call(session, feed)
        lanes = self._lanes
        lane, lanes.many = lanes.many, None
        if lane is None or len(lane.input) != count:
            lane = self._new_lane(count)
        lane.input[...] = matrix
        result = lane.answer()
        lanes.many = lane
        return result

    def _new_lane(self, rows: int) -> BoundBuffers:
        return BoundBuffers(self._session, self._source, self._target, rows, completes=self._is_binary)

    def _in_blocks(self, feed: Mapping[str, npt.NDArray[Any]], count: int) -> npt.NDArray[Any]:
        result = np.empty((count, self._columns), self._target.dtype)

        def write(start: int, stop: int, outputs: Sequence[npt.NDArray[Any]]) -> None:
            (output,) = outputs
            if self._is_binary:
                complete(output, result[start:stop])
            else:
                result[start:stop] = output

        self._placement.divide(count, feed, [self._target.name], write)
        return result

    def _in_one_call(self, session: Session, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        output: npt.NDArray[Any]
        (output,) = session.run([self._target.name], feed)
        if not self._is_binary:
            return output
        result = np.empty((len(output), 2), output.dtype)
        complete(output, result)
        return result

    def _one_row(self, row: Any) -> dict[str, npt.NDArray[Any]]:
        feed = self.records.tensors(row)
        if (found := len(feed[self._source.name])) != 1:
            raise InvalidInput(f"predict_one takes one row, found {found}; use predict or predict_proba")
        return feed

    def _one_otherwise(self, row: Any) -> Prediction | float:
        if self._is_bindable and self._on_gpu:
            try:
                lane = self._shared.pop()
            except IndexError:
                lane = self._new_lane(1)
            self._lanes.one = lane
            try:
                return self.one(row)
            finally:
                self._lanes.one = None
                self._shared.append(lane)
        feed = self._one_row(row)
        (output,) = self._computed(feed[self._source.name], feed)
        if self._is_regression:
            return float(output[0])
        index = int(self._signature.predicted(output[None])[0])
        return Prediction(self._labels[index], float(output[index]))
