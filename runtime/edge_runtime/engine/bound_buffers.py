"""Buffers that ONNX Runtime reads and writes in place, for calls of few numbers."""

import struct
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import cuda, forks
from edge_runtime.engine.devices import CUDA
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.session import Session

# What struct raises for everything but a plain row of numbers, or if a number does not fit the type.
UNPACKABLE = (struct.error, ArithmeticError, TypeError, ValueError)


# Arrays are faster than numpy's numbers.
_ONES = {letter: np.ones((), letter) for letter in "efd"}


class BoundBuffers:
    """Buffers for calls of a fixed number of rows, bound once, for one thread at a time.

    Attributes:
        input: what `run` reads, shape (rows, features).
        output: what it writes, shape (rows, columns).
        run: computes; raises ONNX Runtime's own exceptions.
        pack: `pack(*row)` writes the first row of `input`; raises `UNPACKABLE` for everything but its numbers.
        item: what the output holds, if that is one number.
        pack_item: writes it, rounded to the output's type.
        row_type, row_shapes: the type of `input`, and the shapes of arrays that hold one row.
    """

    __slots__ = (
        *("_columns", "_result", "input", "item", "output", "pack", "pack_item"),
        *("row_shapes", "row_type", "run"),
    )

    def __init__(
        self, session: Session, source: TensorSpec, target: TensorSpec, rows: int, is_binary: bool = False
    ) -> None:
        """Bind buffers for calls of `rows` rows to the input `source` and the output `target` of `session`.

        If the model is binary, `answer` returns the probabilities of both labels from the one that the output holds.
        """
        columns, width = source.shape[1], target.shape[1]
        assert isinstance(columns, int)
        assert isinstance(width, int)
        assert source.dtype is not None
        self.input = np.zeros((rows, columns), source.dtype)
        self.output = np.zeros((rows, width), target.dtype)
        bound = cuda.bound if session.provider == CUDA else Session.bound
        self.run = bound(session, {source.name: self.input}, {target.name: self.output})
        # Whatever is made once, or has one axis, is faster by a large part of a small call.
        # numpy and struct name floating types by the same letters. Without "=" struct converts 1e300 to infinity.
        self.pack = partial(struct.Struct(f"={columns}{source.dtype.char}").pack_into, self.input.data, 0)
        self.pack_item = partial(struct.Struct(f"={self.output.dtype.char}").pack_into, self.output.data, 0)
        self.item = self.output.item
        self.row_type, self.row_shapes = source.dtype, ((columns,), (1, columns))
        self._result = np.zeros((rows, 2), target.dtype) if is_binary else self.output
        one = _ONES[self.output.dtype.char] if is_binary else _ONES["f"]
        self._columns = (one, self.output[:, 0], self._result[:, 0], self._result[:, 1]) if is_binary else None

    def answer(self) -> npt.NDArray[Any]:
        """Compute, and return a copy of the result.

        Returns:
            The output, shape (rows, columns); of a binary model the probabilities of both labels, shape (rows, 2).

        Raises:
            InvalidInput, InferenceFailed: ONNX Runtime refuses the inputs, or fails.
        """
        try:
            self.run()
        except Exception as error:
            raise translated(error, "the model") from error
        if self._columns is not None:
            one, positive, first, second = self._columns
            np.subtract(one, positive, first)
            second[...] = positive
        return self._result.copy()


forks.makes_calls(BoundBuffers, "answer")


class HeldBuffers:
    """The buffers that one call at a time holds, see `turns`.

    Attributes:
        one: for a single row.
        many: for as many rows as two calls in a row had, or the first one.
        last: how many rows the last of these calls had.
    """

    __slots__ = ("last", "many", "one")

    def __init__(self) -> None:
        """Begin without buffers."""
        self.one: BoundBuffers | None = None
        self.many: BoundBuffers | None = None
        self.last = 0


def both_probabilities(positive: npt.NDArray[Any], result: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Write the probabilities of both labels.

    Args:
        positive: those of the second label, shape (rows, 1).
        result: what they are written to, shape (rows, 2).

    Returns:
        `result`.
    """
    column = positive[:, 0]
    np.subtract(_ONES[positive.dtype.char], column, result[:, 0])
    result[:, 1] = column
    return result
