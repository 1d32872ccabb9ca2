"""Rows in, labels and probabilities out: how a model with a signature answers, by the shortest way for each size."""

import struct
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime import cuda
from edge_runtime.arrays import TensorSpec, as_matrix
from edge_runtime.errors import InvalidInput
from edge_runtime.placement import Placement
from edge_runtime.session import CPU, CUDA, Session, translated
from edge_runtime.signature import Label, Signature

_new = tuple.__new__

# What struct raises for anything but a plain row of numbers, or one that does not fit the type.
_UNPACKABLE = (struct.error, ArithmeticError, TypeError, ValueError)

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


class Tabular:
    """A session whose one input holds rows of features, and whose output holds probabilities."""

    def __init__(self, placement: Placement, signature: Signature) -> None:
        """Answer by the sessions of `placement` as `signature` says."""
        self._placement, self._signature = placement, signature
        session = self._session = placement.main
        self._source = session.inputs[0]
        self._target = next(spec for spec in session.outputs if spec.name == signature.output)
        self._features = tuple(feature.name for feature in signature.features)
        self._labels = signature.labels
        self._is_binary = signature.task == "binary_classification"
        assert self._target.dtype is not None
        self._scalar = self._target.dtype.type
        # As numpy compares an array of this type with it.
        self._threshold = float(self._scalar(signature.threshold))
        # A row for each row: only then is the shape of the output known before the call.
        batch = self._source.shape[0]
        self._is_bindable = (
            isinstance(batch, str) and self._target.shape[0] == batch and session.provider in (CPU, CUDA)
        )
        self._lanes = _Lanes()
        # On a GPU all threads share them: each one's own buffers and graph would take of its memory.
        self._on_gpu = session.provider == CUDA
        self._shared: list[Lane] = []

    def one(self, row: Any) -> Prediction:
        """See `Predictor.predict_one`."""
        lanes = self._lanes
        lane = lanes.one
        if lane is None:
            if not self._is_bindable or self._on_gpu:
                return self._one_otherwise(row)
            lane = Lane(self._session, self._source, self._target, 1)
        # Out of reach meanwhile: a signal handler or a finalizer may call in between.
        lanes.one = None
        try:
            if type(row) is not list and type(row) is not tuple:
                raise TypeError
            lane.pack(lane.memory, 0, *row)
        except _UNPACKABLE:
            lane.input[...] = self._one_row(row)
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
        values = lane.output.tolist()[0]
        total = sum(values)
        index = values.index(max(values)) if total == total else int(self._signature.predicted(lane.output)[0])
        lanes.one = lane
        return _new(Prediction, (self._labels[index], values[index]))

    def probabilities(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """See `Predictor.predict_proba`."""
        lanes = self._lanes
        if type(rows) is list and (lane := lanes.one) is not None:
            lanes.one = None
            try:
                lane.pack(lane.memory, 0, *(rows[0] if len(rows) == 1 and type(rows[0]) is list else rows))
            except _UNPACKABLE:
                lanes.one = lane
            else:
                result = lane.answer()
                lanes.one = lane
                return result
        matrix = as_matrix(rows, self._source, self._features)
        count = len(matrix)
        divides = self._placement.divides(count)
        large = divides or matrix.size > _COPIED
        session = self._placement.of_call(count, {self._source.name: matrix}) if large else self._session
        if not self._is_bindable or not count or session.provider != CPU or (large and not divides):
            return self._computed(session, matrix)
        if divides:
            return self._in_blocks(matrix)
        lane, lanes.many = lanes.many, None
        if lane is None or len(lane.input) != count:
            lane = Lane(self._session, self._source, self._target, count)
        lane.input[...] = matrix
        result = lane.answer()
        lanes.many = lane
        return result

    def _in_blocks(self, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        result = np.empty((len(matrix), len(self._labels)), self._target.dtype)

        def write(start: int, stop: int, outputs: Sequence[npt.NDArray[Any]]) -> None:
            (output,) = outputs
            if self._is_binary:
                _complete(output, result[start:stop])
            else:
                result[start:stop] = output

        self._placement.divide(len(matrix), {self._source.name: matrix}, [self._target.name], write)
        return result

    def _computed(self, session: Session, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The probabilities of all rows in one call."""
        output: npt.NDArray[Any]
        (output,) = session.run([self._target.name], {self._source.name: matrix})
        if not self._is_binary:
            return output
        result = np.empty((len(output), 2), output.dtype)
        _complete(output, result)
        return result

    def _one_row(self, row: Any) -> npt.NDArray[Any]:
        matrix = as_matrix(row, self._source, self._features)
        if len(matrix) != 1:
            raise InvalidInput(f"predict_one takes one row, found {len(matrix)}; use predict or predict_proba")
        return matrix

    def _one_otherwise(self, row: Any) -> Prediction:
        if self._is_bindable and self._on_gpu:
            try:
                lane = self._shared.pop()
            except IndexError:
                lane = Lane(self._session, self._source, self._target, 1)
            self._lanes.one = lane
            try:
                return self.one(row)
            finally:
                self._lanes.one = None
                self._shared.append(lane)
        (probabilities,) = self.probabilities(self._one_row(row))
        index = int(self._signature.predicted(probabilities[None])[0])
        return Prediction(self._labels[index], float(probabilities[index]))


class Lane:
    """Buffers for calls of one number of rows, bound once, for one thread at a time.

    Attributes:
        input: what `run` reads, shape (rows, features).
        output: what it writes, shape (rows, columns).
        run: computes; raises ONNX Runtime's own exceptions.
        memory, output_memory: of both.
        pack: `pack(memory, 0, *row)` writes a row of numbers into `input`; raises `_UNPACKABLE` for all else.
        pack_one: the same for one number.
    """

    __slots__ = ("_columns", "_result", "input", "memory", "output", "output_memory", "pack", "pack_one", "run")

    def __init__(self, session: Session, source: TensorSpec, target: TensorSpec, rows: int) -> None:
        columns, width = source.shape[1], target.shape[1]
        assert isinstance(columns, int)
        assert isinstance(width, int)
        assert source.dtype is not None
        self.input = np.zeros((rows, columns), source.dtype)
        self.memory = self.input.data
        self.output = np.zeros((rows, width), target.dtype)
        bound = cuda.bound if session.provider == CUDA else Session.bound
        self.run = bound(session, {source.name: self.input}, {target.name: self.output})
        self.output_memory = self.output.data
        # numpy and struct name floating types by the same letters. Without "=" struct makes infinity of 1e300.
        self.pack = struct.Struct(f"={columns}{source.dtype.char}").pack_into
        self.pack_one = struct.Struct(f"={self.output.dtype.char}").pack_into
        self._result = self.output if width > 1 else np.zeros((rows, 2), target.dtype)
        # Made once, as what `_complete` makes for each call takes a fifth of a small one.
        self._columns = None if width > 1 else (self._result[:, :1], self._result[:, 1:], self.output.dtype.type(1))

    def answer(self) -> npt.NDArray[Any]:
        """`run`, and the probability of each label, shape (rows, classes). Raises InvalidInput or InferenceFailed."""
        try:
            self.run()
        except Exception as error:
            raise translated(error, "the model") from error
        if self._columns is not None:
            first, second, one = self._columns
            np.subtract(one, self.output, out=first)
            second[...] = self.output
        return self._result.copy()


class _Lanes(threading.local):
    """Each thread's lanes: one for single rows, and one for as many rows as its last call had."""

    one: Lane | None = None
    many: Lane | None = None


def _complete(positive: npt.NDArray[Any], result: npt.NDArray[Any]) -> None:
    """Write the probabilities of both labels, shape (rows, 2), from those of the second, shape (rows, 1)."""
    np.subtract(positive.dtype.type(1), positive[:, 0], out=result[:, 0])
    result[:, 1] = positive[:, 0]
