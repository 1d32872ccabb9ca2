"""Rows in, labels and probabilities out: how a model with a signature answers, by the shortest way for each size."""

import functools
import struct
import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime import cuda
from edge_runtime.arrays import TensorSpec, as_matrix
from edge_runtime.blocks import divide
from edge_runtime.errors import InvalidInput
from edge_runtime.placement import Placement
from edge_runtime.session import CPU, CUDA, Session, translated
from edge_runtime.signature import Label, Signature

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


# Prediction(...) would take half as long again as the rest of the answer's making.
_prediction = functools.partial(tuple.__new__, Prediction)


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
        # A GPU does one call at a time, and each thread's own buffers and graph would take of its memory.
        self._gpu = threading.Lock() if session.provider == CUDA else None
        self._gpu_lane: _Lane | None = None

    def one(self, row: Any) -> Prediction:
        """See `Predictor.predict_one`."""
        lane = self._lanes.one
        if lane is None:
            if not self._is_bindable or self._gpu is not None:
                return self._one_otherwise(row)
            lane = self._lanes.one = _Lane(self._session, self._source, self._target, 1)
        kind = type(row)
        try:
            if kind is not list and kind is not tuple:
                raise TypeError
            lane.pack(lane.memory, 0, *row)
        except (struct.error, ArithmeticError, TypeError, ValueError):
            # No plain row of numbers, or one that does not fit the type.
            lane.input[...] = self._one_row(row)
        try:
            lane.run()
        except Exception as error:
            raise translated(error, "the model") from error
        if self._is_binary:
            positive = lane.output.item()
            if positive > self._threshold:
                return _prediction((self._labels[1], positive))
            # Rounded as the model's type has it.
            return _prediction((self._labels[0], float(self._scalar(1.0 - positive))))
        values = lane.output.tolist()[0]
        total = sum(values)
        index = values.index(max(values)) if total == total else int(self._signature.predicted(lane.output)[0])
        return _prediction((self._labels[index], values[index]))

    def probabilities(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        """See `Predictor.predict_proba`."""
        matrix = as_matrix(rows, self._source, self._features)
        count = len(matrix)
        large = matrix.size > _COPIED
        session = self._placement.of_call(count, matrix.nbytes) if large else self._session
        if not self._is_bindable or not count or session.provider != CPU:
            return self._completed(session.run([self._target.name], {self._source.name: matrix})[0])
        if large:
            return self._in_blocks(matrix)
        lane = self._lanes.many
        if lane is None or len(lane.input) != count:
            lane = self._lanes.many = _Lane(self._session, self._source, self._target, count)
        lane.input[...] = matrix
        try:
            lane.run()
        except Exception as error:
            raise translated(error, "the model") from error
        return self._completed(lane.output) if self._is_binary else lane.output.copy()

    def _in_blocks(self, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        result = np.empty((len(matrix), len(self._labels)), self._target.dtype)

        def compute(start: int, stop: int) -> None:
            rows, part = matrix[start:stop], result[start:stop]
            output = np.empty((stop - start, 1), result.dtype) if self._is_binary else part
            self._session.run_bound({self._source.name: rows}, {self._target.name: output})
            if self._is_binary:
                _complete(output, part)

        divide(len(matrix), self._placement.workload, self._placement.threads, compute)
        return result

    def _completed(self, output: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A column for each label, from what the model gives."""
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
        if self._is_bindable and self._gpu is not None:
            with self._gpu:
                if self._gpu_lane is None:
                    self._gpu_lane = _Lane(self._session, self._source, self._target, 1)
                # This thread's for as long as it has the lock.
                self._lanes.one = self._gpu_lane
                try:
                    return self.one(row)
                finally:
                    self._lanes.one = None
        (probabilities,) = self.probabilities(self._one_row(row))
        index = int(self._signature.predicted(probabilities[None])[0])
        return Prediction(self._labels[index], float(probabilities[index]))


class _Lane:
    """Buffers for calls of one number of rows, bound once, for one thread at a time.

    Attributes:
        input: what `run` reads, shape (rows, features).
        output: what it writes, shape (rows, columns).
        run: computes; raises ONNX Runtime's own exceptions.
        memory: of `input`.
        pack: `pack(memory, 0, *row)` writes a row of numbers into it.
    """

    __slots__ = ("input", "memory", "output", "pack", "run")

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
        # numpy and struct name floating types by the same letters.
        self.pack = struct.Struct(f"{columns}{source.dtype.char}").pack_into


class _Lanes(threading.local):
    """Each thread's lanes: one for single rows, and one for as many rows as its last call had."""

    one: _Lane | None = None
    many: _Lane | None = None


def _complete(positive: npt.NDArray[Any], result: npt.NDArray[Any]) -> None:
    """Write the probabilities of both labels, shape (rows, 2), from those of the second, shape (rows, 1)."""
    np.subtract(1, positive, out=result[:, :1])
    result[:, 1:] = positive
