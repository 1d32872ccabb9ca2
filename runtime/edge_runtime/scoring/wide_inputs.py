"""Models without named features, answered by the columns of a table: those of their inputs' names.

An input of one value a row is read from the column of its name. One of several, such as `x` of shape (rows, 3), is read
from the columns x_0, x_1 and x_2, or from a column x of lists. If it is the only input and the table has just as many
columns, these are its values in their order, whatever their names are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import counted
from edge_runtime.contract.values import listed
from edge_runtime.predictor import Predictor
from edge_runtime.rows.arrow_columns import Column, read_column
from edge_runtime.rows.record_batches import BatchReader, ReadBatch, union


class Reader(Protocol):
    """Reads record batches for a model, as `BatchReader` does."""

    names: tuple[str, ...]
    types: Mapping[str, Any]

    def read(self, batch: Any) -> ReadBatch:
        """See `BatchReader.read`."""
        ...


def reader_for(
    predictor: Predictor,
    columns: Sequence[str],
    kept: Iterable[str],
    may_vary: bool,
    decimal: str = ".",
    may_code: bool = False,
) -> Reader:
    """What reads the inputs of a model from a table with these columns.

    Args:
        predictor: the model.
        columns: the table's.
        kept: those that are kept beside the answers, and may be no inputs.
        may_vary: whether a column may be absent that had missing values in training.
        decimal: the decimal mark of the table's numbers.
        may_code: whether strings may be read as category codes once there are many, which is faster.

    Raises:
        InvalidInput: a column is missing, or there twice.
    """
    signature, specs = predictor.signature, predictor.inputs
    if signature is None or not signature.has_features:
        others = [name for name in columns if name not in set(kept)]
        if wide := _wide(specs, columns, others):
            return _WideReader(specs, wide)
    take_codes = predictor.answering.take_codes if may_code and signature is not None else None
    reader = BatchReader(signature, specs, take_codes)
    if signature is not None and decimal != ".":
        # The table reads numbers with its mark; what is left to the reader, as strings, is written with it too.
        types, reader = reader.types, BatchReader(_written_with(signature, Notation(decimal)), specs, take_codes)
        reader.types = types
    reader.check_names(columns, may_lack=may_vary)
    return reader


def _written_with(signature: Signature, notation: Notation) -> Signature:
    """A signature whose numbers are written so, but for those that have a notation of their own."""
    inputs = [
        replace(
            tensor,
            features=tuple(
                replace(one, notation=notation) if one.kind == "numeric" and one.notation is None else one
                for one in tensor.features
            ),
        )
        for tensor in signature.inputs
    ]
    return replace(signature, inputs=tuple(inputs))


def _wide(specs: Sequence[TensorSpec], columns: Sequence[str], others: Sequence[str]) -> dict[str, list[str]]:
    """By input, the columns of its values; empty if every input has a column of its name."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        count = _width(spec)
        if spec.name in columns or count is None:
            continue
        named = [f"{spec.name}_{place}" for place in range(count)]
        if set(named) <= set(columns):
            found[spec.name] = named
        elif len(specs) == 1 and count in (len(columns), len(others)):
            found[spec.name] = list(columns if len(columns) == count else others)
        else:
            raise InvalidInput(
                f"the model's input {spec.name} has {counted(count, 'value')} a row: the table needs the columns "
                f"{listed(named)}, or {counted(count, 'column')} in all; it has {listed(list(columns))}"
            )
    return found


def _width(spec: TensorSpec) -> int | None:
    """How many values a row has in an input of shape (rows, values), if it is two at least."""
    is_table = len(spec.shape) == 2 and not isinstance(spec.shape[0], int)
    width = spec.shape[1] if is_table else None
    return width if isinstance(width, int) and width > 1 and spec.dtype is not None else None


class _WideReader:
    """Reads inputs of several columns, and others by `BatchReader`."""

    def __init__(self, specs: Sequence[TensorSpec], wide: Mapping[str, Sequence[str]]) -> None:
        self._wide = {spec.name: (spec, wide[spec.name]) for spec in specs if spec.name in wide}
        others = [spec for spec in specs if spec.name not in wide]
        self._others = BatchReader(None, others) if others else None
        names = [column for columns in wide.values() for column in columns]
        self.names: tuple[str, ...] = (*names, *(self._others.names if self._others else ()))
        types: dict[str, Any] = dict(self._others.types) if self._others else {}
        for spec, columns in self._wide.values():
            is_float = spec.dtype is not None and spec.dtype.kind == "f"
            types |= dict.fromkeys(columns, pa.float64() if is_float else pa.string())
        self.types: Mapping[str, Any] = types

    def read(self, batch: Any) -> ReadBatch:
        """See `BatchReader.read`."""
        columns: dict[str, Column] = {}
        feed: dict[str, npt.NDArray[Any]] = {}
        for name, (spec, parts) in self._wide.items():
            assert spec.dtype is not None
            read = [read_column(batch.column(part), Feature(part), spec.dtype) for part in parts]
            columns |= dict(zip(parts, read, strict=True))
            feed[name] = np.stack([column.values for column in read], axis=1)
        bad = {row: (row, name, reason) for row, name, reason in reversed(union(columns))}
        if self._others is not None:
            others = self._others.read(batch)
            bad = {one[0]: one for one in others.bad} | bad
            feed |= _with_all_rows(others, batch.num_rows)
        if not bad:
            return ReadBatch(feed, None, [])
        good = np.ones(batch.num_rows, np.bool_)
        good[list(bad)] = False
        return ReadBatch({name: tensor[good] for name, tensor in feed.items()}, good, [bad[row] for row in sorted(bad)])


def _with_all_rows(read: ReadBatch, rows: int) -> dict[str, npt.NDArray[Any]]:
    """The inputs with a row for each row of the batch, of which those of bad rows mean nothing."""
    if read.good is None:
        return read.feed
    whole = {}
    for name, tensor in read.feed.items():
        whole[name] = np.zeros((rows, *tensor.shape[1:]), tensor.dtype)
        whole[name][read.good] = tensor
    return whole
