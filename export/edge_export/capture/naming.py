"""Names for the tensors that a module takes and returns, and for their axes; the sizes that these may have."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.capture.checks import unfit
from edge_export.capture.program import InputTensor, placeholders
from edge_export.errors import ExportError
from edge_export.tensors import BATCH, Axes
from edge_runtime import Signature
from edge_runtime.contract.terminal import suggestion


def named_tensors(arguments: inspect.BoundArguments) -> dict[str, Tensor]:
    """The tensors in `arguments`, each by a name of its own."""
    leaves, _ = pytree.tree_flatten_with_path(dict(arguments.arguments))
    names: dict[str, Tensor] = {}
    for path, leaf in leaves:
        if isinstance(leaf, Tensor):
            name = _path_name(path)
            while name in names:
                name += "_"
            if (problem := unfit(f"the input {name}", leaf.dtype)) is not None:
                raise ExportError(problem)
            names[name] = leaf
    return names


def _path_name(path: Sequence[Any]) -> str:
    """`batch_image` for the tensor at `image` within the argument `batch`."""
    keys = [getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))) for key in path]
    return "_".join(re.sub(r"\W", "_", str(key)) for key in keys)


def named_axes(names: Mapping[str, Tensor], dynamic: Mapping[str, Axes]) -> dict[str, Axes]:
    """The name of each axis of each tensor, None where its size is fixed. Raises ExportError."""
    if unknown := [name for name in dynamic if name not in names]:
        raise ExportError(
            f"no input is named {unknown[0]}; the inputs are {', '.join(names)}{suggestion(unknown[0], names)}"
        )
    axes: dict[str, Axes] = {}
    for name, tensor in names.items():
        given = dynamic.get(name, [BATCH][: tensor.ndim])
        wanted = [given] if isinstance(given, str) else list(given or ())
        if len(wanted) > tensor.ndim:
            raise ExportError(
                f"{name} has {tensor.ndim} axes, and {len(wanted)} are named: {', '.join(map(str, wanted))}"
            )
        if wrong := [axis for axis in wanted if axis is not None and not str(axis).isidentifier()]:
            raise ExportError(f"{wrong[0]!r} is not a name for an axis of {name}; use letters, digits and _")
        axes[name] = wanted + [None] * (tensor.ndim - len(wanted))
    return axes


def output_names(
    exported: ExportedProgram, inputs: Mapping[str, Tensor], signature: Signature | None
) -> tuple[str, ...]:
    """A name for each tensor that the program returns: the signature's for a single one, else keys and places."""
    specs = [spec for spec in exported.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    structure = pytree.tree_unflatten(list(range(len(specs))), exported.call_spec.out_spec)
    tensors = [isinstance(spec.arg, TensorArgument) for spec in specs]
    paths = [path for path, leaf in pytree.tree_flatten_with_path(structure)[0] if tensors[leaf]]
    if not paths:
        raise ExportError("the module returns no tensor")
    if len(paths) == 1 and signature is not None:
        return (signature.output,)
    names: list[str] = []
    for path in paths:
        name = _path_name(path) or "output"
        if name[0].isdigit():
            name = f"output_{name}"
        while name in inputs or name in names:
            name += "_output" if name in inputs else "_"
        names.append(name)
    return tuple(names)


def dimension_ranges(exported: ExportedProgram, inputs: Sequence[InputTensor]) -> dict[str, tuple[int, int | None]]:
    """The smallest and largest size of each dimension that may change; the largest is None if unbounded."""
    ranges: dict[str, tuple[int, int | None]] = {}
    for spec, node in zip(inputs, placeholders(exported), strict=True):
        for dimension, size in zip(spec.shape, node.meta["val"].shape, strict=True):
            if isinstance(dimension, str) and not isinstance(size, int) and dimension not in ranges:
                known = exported.range_constraints.get(size.node.expr)
                lower = int(known.lower) if known is not None else 1
                upper = int(known.upper) if known is not None and known.upper.is_Integer else None
                # torch takes sizes 0 and 1 apart, so that a range that begins at 2 says nothing of them.
                ranges[dimension] = (1 if lower <= 2 else lower, upper)
            elif isinstance(dimension, str):
                ranges.setdefault(dimension, (1, None))
    return ranges
