"""Trying in torch which integers a module takes: what its graph tells of its lookups must show.

A bound counts if the module runs at it, and raises just beyond it, whichever row the value is in.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.capture.lookups import HIGHEST, LOWEST, LookupRange, lookup_ranges
from edge_export.capture.program import COSTLY, InputTensor, Program
from edge_export.formats.string_inputs import string_features
from edge_export.tensors import Array, Tensors, evenly_spaced, repeated
from edge_runtime.contract.input_ranges import InputRange, InputRanges, SizeBound

# Places of one range that are tried; of a module that computes much, few.
_MOST_PLACES, _FEW_PLACES = 8, 2
# float32 holds no integer beyond this and the next one.
_LARGEST_FLOAT = 2**24


def tried_ranges(program: Program) -> dict[str, LookupRange]:
    """The ranges of `program`'s inputs that its graph tells and that torch confirms, by input."""
    if not (found := lookup_ranges(program)):
        return {}
    is_costly = program.cost >= COSTLY
    calls = [program.example]
    if not is_costly and program.failure(longer := _longer(program)) is None:
        calls.append(longer)
    confirmed = {name: _Trial(program, name, known, calls, is_costly).confirmed() for name, known in found.items()}
    return {name: known for name, known in confirmed.items() if known.is_known}


def input_ranges(program: Program, ranges: Mapping[str, LookupRange]) -> InputRanges | None:
    """What an artifact of `program` says of `ranges`; None if it has none.

    Strings become codes within their range, whatever they are.
    """
    strings = string_features(program.signature)
    stated = [
        _stated(program, spec.name, ranges[spec.name])
        for spec in program.inputs
        if spec.name in ranges and spec.name not in strings
    ]
    return InputRanges(tuple(stated)) if stated else None


def sizes_of(program: Program, tensors: Tensors) -> dict[str, int]:
    """The size of each dimension that may change, in one call."""
    return {
        dimension: size
        for spec in program.inputs
        for dimension, size in zip(spec.shape, tensors[spec.name].shape, strict=True)
        if isinstance(dimension, str)
    }


@dataclass(frozen=True)
class _Trial:
    """Trials of the range that the graph tells of one input.

    Attributes:
        program: the program.
        name: the input.
        known: its range.
        calls: calls that the module takes, of several sizes.
        is_costly: whether a call takes long, so that fewer are made.
    """

    program: Program
    name: str
    known: LookupRange
    calls: list[Tensors]
    is_costly: bool

    def confirmed(self) -> LookupRange:
        """The bounds that torch confirms; those of places with one range count or fall together."""
        low, high = self.known.low.copy(), self.known.high.copy()
        size = self.known.size
        groups = list(self._groups())
        at_ends = all(self._runs_at(np.ones(low.shape, np.bool_), end) for end in (0, 1))
        for group in groups:
            if not at_ends and not all(self._runs_at(group, end) for end in (0, 1)):
                low[group], high[group], size = LOWEST, HIGHEST, None
                continue
            if not self._raises_beyond(group, 0):
                low[group] = LOWEST
            if not self._raises_beyond(group, 1):
                high[group], size = HIGHEST, None
        return LookupRange(low, high, size)

    def _groups(self) -> Iterator[npt.NDArray[np.bool_]]:
        """Masks of the places that share a range and are known to have one."""
        pairs = np.stack([self.known.low, self.known.high], axis=-1).reshape(-1, 2)
        for low, high in np.unique(pairs, axis=0):
            if low > LOWEST or high < HIGHEST or self.known.size is not None:
                yield (self.known.low == low) & (self.known.high == high)

    def _ends(self, call: Tensors) -> tuple[Array, Array]:
        return self.known.low, self.known.highest(sizes_of(self.program, call))

    def _runs_at(self, group: npt.NDArray[np.bool_], end: int) -> bool:
        """Whether the module runs with all places of `group` at the lower or the upper end."""
        for call in self.calls:
            bound, values = self._ends(call)[end], call[self.name]
            known = group & (bound > LOWEST) & (bound < HIGHEST)
            if not self._runs(call, np.where(known, bound, values).astype(values.dtype)):
                return False
        return True

    def _raises_beyond(self, group: npt.NDArray[np.bool_], end: int) -> bool:
        """Whether the module raises wherever one value alone is just beyond the end."""
        places = np.argwhere(group)
        most = _FEW_PLACES if self.is_costly else _MOST_PLACES
        places = places[evenly_spaced(len(places), most)]
        for call in self.calls:
            bounds, values = self._ends(call)[end], call[self.name]
            for place in places.tolist():
                bound = int(bounds[tuple(place)])
                if bound in (LOWEST, HIGHEST):
                    return False
                beyond = bound + (1 if end else -1)
                if not _holds(values.dtype, beyond):
                    continue  # no call can have it
                for changing in (0, -1):
                    index = tuple(
                        changing if isinstance(size, str) else at
                        for at, size in zip(place, self._spec.shape, strict=True)
                    )
                    changed = values.copy()
                    changed[index] = beyond
                    if self._runs(call, changed):
                        return False
        return True

    @property
    def _spec(self) -> InputTensor:
        return next(spec for spec in self.program.inputs if spec.name == self.name)

    def _runs(self, call: Tensors, values: Array) -> bool:
        return self.program.failure({**call, self.name: values}) is None


def _holds(dtype: np.dtype[Any], value: int) -> bool:
    """Whether a tensor of this type can hold `value`."""
    if dtype.kind == "f":
        return abs(value) < _LARGEST_FLOAT
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _longer(program: Program) -> Tensors:
    """The example, repeated along every dimension that may change: of size 2n + 1."""
    longer = {}
    for spec in program.inputs:
        values = program.example[spec.name]
        for axis, size in enumerate(spec.shape):
            if isinstance(size, str):
                values = repeated(values, axis, 2 * values.shape[axis] + 1)
        longer[spec.name] = values
    return longer


def _stated(program: Program, name: str, known: LookupRange) -> InputRange:
    low, high = known.low, known.high
    for axis in range(low.ndim):
        first = [bounds.take([0], axis) for bounds in (low, high)]
        if (low == first[0]).all() and (high == first[1]).all():
            low, high = first
    size = None
    if known.size is not None:
        spec = next(spec for spec in program.inputs if known.size[0] in spec.shape)
        size = SizeBound(spec.name, spec.shape.index(known.size[0]), known.size[1])
    return InputRange(name, low.shape, _bounds(low.reshape(-1).tolist()), _bounds(high.reshape(-1).tolist()), size)


def _bounds(values: Iterable[int]) -> tuple[int | None, ...]:
    return tuple(None if value in (LOWEST, HIGHEST) else value for value in values)
