"""Buffers that ONNX Runtime reads and writes in place, for calls of few numbers."""

import struct
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import cuda
from edge_runtime.engine.devices import CUDA
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.session import Session

# What struct raises for anything but a plain row of numbers, or one that does not fit the type.
UNPACKABLE = (struct.error, ArithmeticError, TypeError, ValueError)


class BoundBuffers:
    """Buffers for calls of one number of rows, bound once, for one thread at a time.

    Attributes:
        input: what `run` reads, shape (rows, features).
        output: what it writes, shape (rows, columns).
        run: computes; raises ONNX Runtime's own exceptions.
        memory, output_memory: of both.
        pack: `pack(memory, 0, *row)` writes a row of numbers into `input`; raises `UNPACKABLE` for all else.
        pack_one: the same for one number.
    """

    __slots__ = ("_columns", "_result", "input", "memory", "output", "output_memory", "pack", "pack_one", "run")

    def __init__(
        self, session: Session, source: TensorSpec, target: TensorSpec, rows: int, completes: bool = True
    ) -> None:
        """For calls of `rows` rows; `completes`: whether one column of output is made two by `answer`."""
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
        completes = completes and width == 1
        self._result = np.zeros((rows, 2), target.dtype) if completes else self.output
        # Made once, as what `complete` makes for each call takes a fifth of a small one.
        one = self.output.dtype.type(1)
        self._columns = (self._result[:, :1], self._result[:, 1:], one) if completes else None

    def answer(self) -> npt.NDArray[Any]:
        """`run`, and the probability of each label, shape (rows, classes); or the output as it is, a copy of it.

        Raises:
            InvalidInput, InferenceFailed: ONNX Runtime refuses the inputs, or fails.
        """
        try:
            self.run()
        except Exception as error:
            raise translated(error, "the model") from error
        if self._columns is not None:
            first, second, one = self._columns
            np.subtract(one, self.output, out=first)
            second[...] = self.output
        return self._result.copy()


class ThreadBuffers(threading.local):
    """Each thread's lanes: one for single rows, and one for as many rows as its last call had."""

    one: BoundBuffers | None = None
    many: BoundBuffers | None = None


def complete(positive: npt.NDArray[Any], result: npt.NDArray[Any]) -> None:
    """Write the probabilities of both labels, shape (rows, 2), from those of the second, shape (rows, 1)."""
    np.subtract(positive.dtype.type(1), positive[:, 0], out=result[:, 0])
    result[:, 1] = positive[:, 0]
