"""From arrays, one or by name, to the tensors of a model whose inputs have no named features, such as images."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import suggestion
from edge_runtime.contract.values import listed
from edge_runtime.rows.arrays import as_array, reading
from edge_runtime.rows.model_inputs import as_input

# How many inputs a message tells of.
_MOST_NAMED = 10


class TensorReader:
    """Reads tensors for the inputs of one model."""

    def __init__(self, inputs: Sequence[TensorSpec], batch: int | str | None) -> None:
        """Read tensors for `inputs`; those whose first axis is `batch` may be given without it, for one row."""
        self._inputs, self._batch = tuple(inputs), batch

    def __repr__(self) -> str:
        return f"TensorReader({declared(self._inputs)})"

    @reading
    def tensors(self, given: Any) -> dict[str, Any]:
        """The model's inputs.

        Args:
            given: an array for a model with one input, or a dict of arrays by input name. Anything that numpy converts
                to an array will do.

        Returns:
            The inputs by name, C-contiguous, of the declared types and shapes.

        Raises:
            InvalidInput: an input is missing or unknown, or does not have the declared kind and shape; or axes that the
                model takes to be of one size are not.
        """
        arrays = named(given, self._inputs)
        feed = {spec.name: as_input(self._batched(arrays[spec.name], spec), spec) for spec in self._inputs}
        check_axes(feed, self._inputs)
        return feed

    def _batched(self, value: Any, spec: TensorSpec) -> Any:
        """`value`, with a batch of one if it is a row."""
        if spec.shape and spec.shape[0] == self._batch and spec.dtype is not None:
            value = as_array(value, spec.name)
            if value.ndim == len(spec.shape) - 1:
                return value[None]
        return value


def check_axes(feed: Mapping[str, Any], inputs: Iterable[TensorSpec]) -> None:
    """Refuse tensors whose axes of the same name have different sizes.

    Args:
        feed: values of the declared types and shapes, by name; optional ones may be missing.
        inputs: what they are for.

    Raises:
        InvalidInput: an axis is of two sizes.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for spec in inputs:
        # A scalar has no declared axes, nor has a tensor of any rank, or a sequence.
        if not spec.shape or spec.name not in feed:
            continue
        for axis, size in zip(spec.shape, np.shape(feed[spec.name]), strict=False):
            if isinstance(axis, str) and (known := sizes.setdefault(axis, (size, spec.name)))[0] != size:
                raise InvalidInput(f"{axis} must be the same everywhere: {known[1]} has {known[0]}, {spec.name} {size}")


def named(given: Any, inputs: Sequence[TensorSpec], more: Sequence[TensorSpec] = ()) -> Mapping[str, Any]:
    """What is `given` by name for `inputs`: a mapping as it is, anything else for the only input.

    Args:
        given: a mapping may leave out optional inputs.
        inputs: what the model takes.
        more: what may be given besides: overridable initializers.

    Raises:
        InvalidInput: it is not a mapping, although there are several inputs; or an input is missing or unknown.
    """
    if not isinstance(given, Mapping):
        if len(inputs) != 1:
            raise InvalidInput(f"{declared(inputs)}: give an array for each of them, by its name")
        return {inputs[0].name: given}
    if given.keys() != {spec.name for spec in inputs}:
        names = [spec.name for spec in (*inputs, *more)]
        missing = [spec.name for spec in inputs if spec.name not in given and spec.present is None]
        unknown = [str(name) for name in given if name not in names]
        found = [f"missing {listed(missing)}"] if missing else []
        if unknown:
            found.append(f"unknown {listed(unknown)}{suggestion(unknown[0], missing or names)}")
        if found:
            raise InvalidInput(f"{declared(inputs)}: {', '.join(found)}")
    return given


def declared(inputs: Iterable[TensorSpec]) -> str:
    """What a model takes, in words."""
    specs = list(map(str, inputs))
    if len(specs) > _MOST_NAMED:
        specs[_MOST_NAMED:] = [f"and {len(specs) - _MOST_NAMED} more"]
    return f"the model takes {'; '.join(specs) or 'no inputs'}"
