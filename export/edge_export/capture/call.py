"""The call that a module is captured with: its arguments, and the sizes of their tensors."""

import inspect
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edge_export.errors import ExportError
from edge_export.tensors import Axes
from edge_runtime.contract.terminal import one_line


def bind(module: nn.Module, example_inputs: Any, kwargs: Mapping[str, Any] | None = None) -> inspect.BoundArguments:
    """The arguments of a call by the names of `module.forward`'s parameters."""
    match example_inputs:
        case tuple() | list():
            args, named = tuple(example_inputs), dict(kwargs or {})
        case Mapping():
            args, named = (), dict(example_inputs)
        case _:
            args, named = (example_inputs,), {}
    args, named = pytree.tree_map_only(np.ndarray, torch.from_numpy, (args, named))
    args, named = pytree.tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), (args, named))
    try:
        return inspect.signature(module.forward).bind(*args, **named)
    except TypeError as error:
        is_dict = args == () and named
        hint = "; a dict means arguments by name; as a single argument it is written ({...},)" if is_dict else ""
        raise ExportError(f"the example inputs do not fit the module's forward: {one_line(error)}{hint}") from error


def enlarged(names: Mapping[str, Tensor], axes: Mapping[str, Axes]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The example, and the size of each dimension in it as it was given.

    Along a dimension of size 1, which torch takes for a constant, the example is doubled.
    """
    sizes: dict[str, int] = {}
    for name, tensor in names.items():
        for axis, dimension in enumerate(axes[name]):
            if dimension is not None and sizes.setdefault(dimension, tensor.shape[axis]) != tensor.shape[axis]:
                raise ExportError(
                    f"the dimension {dimension} has the size {sizes[dimension]} in one example input and "
                    f"{tensor.shape[axis]} in {name}; give axes of different sizes different names"
                )
    if empty := [dimension for dimension, size in sizes.items() if size == 0]:
        raise ExportError(f"the example inputs are empty along {empty[0]}; give at least one row")
    doubled = {}
    for name, tensor in names.items():
        repeats = [2 if dimension is not None and sizes[dimension] == 1 else 1 for dimension in axes[name]]
        doubled[name] = tensor.repeat(*repeats) if 2 in repeats else tensor
    return doubled, sizes


def lengthened(tensor: Tensor, axes: Axes, dimension: str) -> Tensor:
    """`tensor` with itself and a part of itself behind it along `dimension`: of size 2n + 5."""
    for axis, name in enumerate(axes):
        if name == dimension:
            size = 2 * tensor.shape[axis] + 5
            tensor = tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])
    return tensor


def with_fixed(axes: Mapping[str, Axes], dimensions: Collection[str]) -> str:
    """How to say that `dimensions` are fixed, in Python and at the shell."""
    given = {}
    for name, wanted in axes.items():
        if not set(dimensions).isdisjoint(wanted):
            kept = [None if axis in dimensions else axis for axis in wanted]
            while kept and kept[-1] is None:
                kept.pop()
            given[name] = tuple(kept)
    options = [f"--dynamic {name}={','.join(axis or '_' for axis in kept) or '_'}" for name, kept in given.items()]
    return f"dynamic={given} ({' '.join(options)})"
