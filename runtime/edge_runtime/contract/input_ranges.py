"""Which integers a model takes where they are places in something else, such as the rows of an embedding.

torch raises for a place that does not exist. ONNX counts negative places from the end, and so answers them. The
exporter writes the ranges into the file's metadata as JSON, schema version 1:

    {"schema_version": 1, "inputs": [{"name": "codes", "shape": [1, 2], "low": [0, 0], "high": [2, 899], "size": null}]}

`docs/artifact.md` says what the keys mean. A file without it has no such input.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract import schema
from edge_runtime.contract.errors import InvalidInput, InvalidModel
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.metadata_keys import RANGES_KEY
from edge_runtime.contract.tensors import TensorSpec

SCHEMA_VERSION = 1
# How many ranges of one input are shown one by one.
_SHOWN = 10
_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class SizeBound:
    """A largest value that depends on the size of an axis in the call.

    Attributes:
        input: the name of an input.
        axis: one of its axes.
        plus: the largest value is the size of that axis and this: -1 if values count from 0.
    """

    input: str
    axis: int
    plus: int


@dataclass(frozen=True)
class InputRange:
    """The range of one input of integers, or of floats that the model cuts to integers.

    Attributes:
        name: the name of the input.
        shape: as many axes as the input has: 1 where all places on an axis have one range, else the axis's size.
        low: the smallest value of each place of `shape`, in C order; None if there is none.
        high: the largest one, likewise.
        size: a largest value for all places besides `high`; None if there is none.
    """

    name: str
    shape: tuple[int, ...]
    low: tuple[int | None, ...]
    high: tuple[int | None, ...]
    size: SizeBound | None = None

    @cached_property
    def bounds(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """`low` and `high` in arrays of `shape`; without a bound, the ends of int64."""
        low = [_LOWEST if bound is None else bound for bound in self.low]
        high = [_HIGHEST if bound is None else bound for bound in self.high]
        return np.array(low, np.int64).reshape(self.shape), np.array(high, np.int64).reshape(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """The range in plain types, as JSON holds it."""
        size = None if self.size is None else vars(self.size)
        return {
            "name": self.name,
            "shape": list(self.shape),
            "low": list(self.low),
            "high": list(self.high),
            "size": size,
        }

    def __str__(self) -> str:
        """The range in one line: of each place if they differ, and all within the widest if there are many."""
        low, high = (bounds.ravel().tolist() for bounds in self.bounds)
        spans = list(map(_span, low, high))
        if len(set(spans)) == 1:
            said = spans[0]
        elif len(spans) <= _SHOWN:
            said = ", ".join(spans)
        else:
            said = f"{len(spans)} ranges within {_span(min(low), max(high))}"
        if self.size is not None:
            said += f", at most {self.size.input}.shape[{self.size.axis}]{self.size.plus:+d}"
        return f"{self.name}: {said}"

    def check(self, feed: Mapping[str, Any]) -> None:
        """See that the input is within its range in `feed`, which holds every input by name.

        Raises:
            InvalidInput: a value is outside; the message has the place of the first one.
        """
        values = np.asarray(feed[self.name])
        if not values.size:
            return
        low, high = self.bounds
        if self.size is not None:
            high = np.minimum(high, feed[self.size.input].shape[self.size.axis] + self.size.plus)
        if values.dtype.kind == "f":
            # NaN is not within any range.
            inside = (np.trunc(values) >= low) & (np.trunc(values) <= high) | (low == _LOWEST) & (high == _HIGHEST)
        else:
            axes = self._shared_axes
            # Without an array as large as the input.
            if not (values.min(axes) < low.min(axes)).any() and not (values.max(axes) > high.max(axes)).any():
                return
            inside = (values >= low) & (values <= high)
        if not inside.all():
            raise self._outside(values, inside, low, high)

    @cached_property
    def _shared_axes(self) -> tuple[int, ...]:
        """The axes on which all places have one range."""
        return tuple(axis for axis, size in enumerate(self.shape) if size == 1)

    def _outside(
        self,
        values: npt.NDArray[Any],
        inside: npt.NDArray[np.bool_],
        low: npt.NDArray[np.int64],
        high: npt.NDArray[np.int64],
    ) -> InvalidInput:
        place = tuple(np.argwhere(~inside)[0].tolist())
        first, last = (int(np.broadcast_to(bound, values.shape)[place]) for bound in (low, high))
        taken = _span(first, last)
        return InvalidInput(
            f"{self.name}{list(place) or ''} is {values[place]}, but the model takes {taken} there, since it looks up "
            "something at that place"
        )


@dataclass(frozen=True)
class InputRanges:
    """The ranges of all inputs that have one."""

    inputs: tuple[InputRange, ...]

    @property
    def names(self) -> set[str]:
        """The inputs that `check` needs."""
        return {one.name for one in self.inputs} | {one.size.input for one in self.inputs if one.size is not None}

    def check(self, feed: Mapping[str, Any]) -> None:
        """See that all inputs are within their ranges in `feed`, which holds them by name. Raises InvalidInput."""
        for one in self.inputs:
            one.check(feed)

    def to_json(self) -> str:
        """The JSON that an artifact carries under `RANGES_KEY`."""
        inputs = [one.to_dict() for one in self.inputs]
        return json.dumps({"schema_version": SCHEMA_VERSION, "inputs": inputs}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "InputRanges":
        """The ranges in `text`, as `to_json` wrote them.

        Raises:
            InvalidModel: they are damaged, or their schema is newer than this version reads.
        """
        with schema.reading("the ranges of inputs"):
            plain = schema.checked(schema.parsed(text), SCHEMA_VERSION, "the ranges of inputs")
            return cls(tuple(map(_read, plain["inputs"])))


def ranges_in(metadata: Mapping[str, str], inputs: Sequence[TensorSpec]) -> InputRanges | None:
    """The ranges in a model file; None if it does not carry any.

    Args:
        metadata: what the file says about itself, by key.
        inputs: the input tensors that it declares.

    Raises:
        InvalidModel: they cannot be read, or are about other tensors, so that what torch refuses would be answered.
    """
    if (text := metadata.get(RANGES_KEY)) is None:
        return None
    ranges = InputRanges.from_json(text)
    specs = {spec.name: spec for spec in inputs}
    for one in ranges.inputs:
        spec = specs.get(one.name)
        fits = (
            spec is not None
            and spec.dtype is not None
            and spec.dtype.kind in "iuf"
            and len(one.shape) == len(spec.shape)
            and all(size in (1, known) for size, known in zip(one.shape, spec.shape, strict=True))
        )
        size = one.size
        if not fits or (size is not None and (size.input not in specs or size.axis >= len(specs[size.input].shape))):
            raise InvalidModel("the ranges of inputs do not describe this graph; export the model again")
    return ranges


def _span(low: int, high: int) -> str:
    if low == _LOWEST:
        return "any integer" if high == _HIGHEST else f"at most {high}"
    return f"{low} or more" if high == _HIGHEST else f"{low} to {high}"


def _read(plain: Mapping[str, Any]) -> InputRange:
    shape, low, high, size = plain["shape"], plain["low"], plain["high"], plain["size"]
    if not all(type(number) is int and number > 0 for number in shape):
        raise ValueError(f"a shape is {shape}")
    for bounds in (low, high):
        if len(bounds) != np.prod(shape, dtype=object):
            raise ValueError(f"{len(bounds)} bounds have the shape {shape}")
        if not all(bound is None or (type(bound) is int and _LOWEST < bound < _HIGHEST) for bound in bounds):
            raise TypeError("a bound is not an integer")
    if size is not None:
        axis, plus = size["axis"], size["plus"]
        if type(axis) is not int or axis < 0 or type(plus) is not int or abs(plus) >= _HIGHEST // 2:
            raise ValueError(f"a size has the axis {axis!r} and plus {plus!r}")
        size = SizeBound(schema.text(size["input"]), axis, plus)
    return InputRange(schema.text(plain["name"]), tuple(shape), tuple(low), tuple(high), size)
