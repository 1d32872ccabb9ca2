"""From record batches of Arrow to the tensors of a model: columns by name, all at once.

A row that cannot be read does not end a batch: the others are read, and it is named with its reason.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.values import listed, misspelt
from edge_runtime.rows.arrow_columns import Column, read_column
from edge_runtime.rows.arrow_tensors import check_spec, read_tensor

# From so many rows on, strings become codes: to open the model once more takes as long as these.
_MANY = 20_000


@dataclass(frozen=True)
class ReadBatch:
    """What was read from a record batch.

    Attributes:
        feed: the model's inputs for the good rows, by name, each C-contiguous with the rows as its first axis.
        good: which rows of the batch they are, booleans of shape (rows,); None if they are all.
        bad: for each other row, in their order: its place in the batch, the first column that was refused, in the order
            of a row's values, and why.
    """

    feed: dict[str, npt.NDArray[Any]]
    good: npt.NDArray[np.bool_] | None
    bad: list[tuple[int, str, str]]


class BatchReader:
    """Reads record batches for one model. Several threads may use it at the same time.

    Attributes:
        names: the columns that it reads, in the order of a row's values: the features, or if the model has none the
            names of its inputs.
        types: the type of Arrow that is best for each column where a file leaves the choice, as CSV does: float64 for
            numbers as programs write them, strings for everything else. Columns of any type are read.
    """

    def __init__(
        self,
        signature: Signature | None,
        specs: Sequence[TensorSpec],
        take_codes: Callable[[], Sequence[TensorSpec] | None] | None = None,
    ) -> None:
        """Read for the inputs that the file declares as `specs`, as `signature` describes them, if there is one.

        Args:
            signature: what a row is.
            specs: the inputs.
            take_codes: called once there were thousands of rows: it gives other inputs, which take category codes for
                strings, or None. Later batches are read for these.

        Raises:
            InvalidInput: the model has no named features, and an input does not have a value for each row.
        """
        self._specs = {spec.name: spec for spec in specs}
        self._inputs = signature.inputs if signature is not None and signature.has_features else ()
        self._features = self._described(specs)
        self._rows = 0
        # Taken in one step of the interpreter, so that one thread makes the call.
        self._take_codes = (
            [take_codes] if take_codes is not None and any(one.holds_strings for one in self._inputs) else []
        )
        self.names: tuple[str, ...] = tuple(self._specs)
        if signature is not None and self._inputs:
            self.names = signature.feature_names
        else:
            for spec in specs:
                check_spec(spec)
        self.types: Mapping[str, Any] = {name: self._type_of(name) for name in self.names}

    def __repr__(self) -> str:
        return f"BatchReader({listed(self.names)})"

    def check_names(self, names: Iterable[str], may_lack: bool = False) -> None:
        """Refuse columns among which one is missing, or is there twice.

        Args:
            names: the columns.
            may_lack: whether those may be missing that had missing values in training.

        Raises:
            InvalidInput: the message names them.
        """
        names = list(names)
        places = self._places(names)
        optional = {name for name, (one, _) in self._features.items() if may_lack and one.missing}
        if absent := [name for name in self.names if name not in places and name not in optional]:
            known = set(self.names)
            meant = misspelt((name for name in names if name not in known), absent)
            raise InvalidInput(f"there is no column {listed(absent)}{meant}")

    def read(self, batch: Any) -> ReadBatch:
        """Read a batch.

        Args:
            batch: a `pyarrow.RecordBatch` with the columns in any order, and others besides. The values of a column
                that is absent are missing.

        Raises:
            InvalidInput: a column is there twice.
        """
        places, rows = self._places(batch.schema.names), batch.num_rows
        features = self._features_after(rows)
        columns = {}
        for name in self.names:
            array = batch.column(places[name]) if name in places else pa.nulls(rows)
            columns[name] = read_column(array, *features[name]) if features else read_tensor(array, self._specs[name])
        bad = union(columns)
        good = None
        if bad:
            good = np.ones(rows, np.bool_)
            good[[row for row, _, _ in bad]] = False
        feed = self._feed(columns, rows, features)
        return ReadBatch(feed if good is None else {name: tensor[good] for name, tensor in feed.items()}, good, bad)

    def _places(self, names: list[str]) -> dict[str, int]:
        """The places of the columns in `names`. Raises InvalidInput if one is there twice."""
        places = dict(zip(names, range(len(names)), strict=True))
        if len(places) < len(names):
            wanted = set(self.names)
            if twice := [name for name, count in Counter(names).items() if count > 1 and name in wanted]:
                raise InvalidInput(f"there is more than one column {twice[0]}")
        return places

    def _type_of(self, name: str) -> Any:
        if self._inputs:
            feature, _ = self._features[name]
            # 1.234 may be another number in the feature's notation.
            return pa.float64() if feature.kind == "numeric" and feature.notation is None else pa.string()
        dtype = self._specs[name].dtype
        return pa.float64() if dtype is not None and dtype.kind == "f" else pa.string()

    def _described(self, specs: Sequence[TensorSpec]) -> dict[str, tuple[Feature, np.dtype[Any]]]:
        """Each feature, and the type of its tensor."""
        types = {spec.name: spec.dtype or np.dtype(np.object_) for spec in specs}
        return {one.name: (one, types[tensor.name]) for tensor in self._inputs for one in tensor.features}

    def _features_after(self, rows: int) -> dict[str, tuple[Feature, np.dtype[Any]]]:
        """The features as the next `rows` rows are to be read."""
        self._rows += rows
        if self._rows > _MANY and self._take_codes:
            with contextlib.suppress(IndexError):
                if (specs := self._take_codes.pop()()) is not None:
                    self._features = self._described(specs)
        return self._features

    def _feed(
        self, columns: Mapping[str, Column], rows: int, features: Mapping[str, tuple[Feature, np.dtype[Any]]]
    ) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs, from the columns by name."""
        if not self._inputs:
            return {name: column.values for name, column in columns.items()}
        feed = {}
        for tensor in self._inputs:
            _, dtype = features[tensor.feature_names[0]]
            values = feed[tensor.name] = np.empty((rows, tensor.feature_count), dtype)
            for place, name in enumerate(tensor.feature_names):
                values[:, place] = columns[name].values
        return feed


def union(columns: Mapping[str, Column]) -> list[tuple[int, str, str]]:
    """The first value that is refused in each row, by row: the row, the name of the column and the reason.

    Args:
        columns: those of a row by name, in its order, all of the same number of rows.
    """
    first: dict[int, tuple[int, str, str]] = {}
    for name, column in columns.items():
        for row, reason in column.refused.items():
            first.setdefault(row, (row, name, reason))
    return [first[row] for row in sorted(first)]
