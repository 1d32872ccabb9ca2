"""Which integers in a program's inputs are places in something else, such as the rows of an embedding: from its graph.

Integers are followed from the inputs through what only moves them (slices, views, concatenations), what adds a known
integer to them, and casts. The same operations are run on the numbers of the elements in place of the elements. Where
anything else is done to an integer, nothing is known of it any more.
"""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import SymInt, Tensor, fx
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from edge_export.capture.program import Program, placeholders, size_hint, state_of

_aten = torch.ops.aten

LOWEST, HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
# In place of the number of an element: an integer that is the same in all calls, and one that nothing is known of.
_CONSTANT, _UNKNOWN = -1, -2
_MOST_ELEMENTS = 2**20

# Operations that put elements elsewhere, and change none of them.
_MOVES = {
    *(_aten.select, _aten.slice, _aten.narrow, _aten.unbind, _aten.split, _aten.split_with_sizes, _aten.chunk),
    *(_aten.view, _aten.reshape, _aten._unsafe_view, _aten.flatten, _aten.unflatten, _aten.expand, _aten.alias),
    *(_aten.squeeze, _aten.unsqueeze, _aten.permute, _aten.transpose, _aten.t, _aten.movedim, _aten.clone),
    *(_aten.cat, _aten.stack, _aten.repeat, _aten.tile, _aten.flip, _aten.roll, _aten.contiguous, _aten.detach),
    *(_aten.lift_fresh_copy, _aten.diagonal, _aten.numpy_T, _aten.expand_as, _aten.view_as, _aten.reshape_as),
}
# Operations that take the shape alone.
_FILLS = {
    *(_aten.zeros_like, _aten.ones_like, _aten.full_like, _aten.empty_like),
    *(_aten.new_zeros, _aten.new_ones, _aten.new_full),
}
_CASTS = {_aten._to_copy, _aten.to, _aten.type_as}
# Where an operation has what is looked in, the places, and the axis that they are on (None for the first).
_LOOKUPS: dict[Any, tuple[int, int, int | None]] = {
    **dict.fromkeys((_aten.embedding, _aten.embedding_bag, _aten._embedding_bag), (0, 1, None)),
    **dict.fromkeys((_aten.index_select, _aten.gather, _aten.scatter, _aten.scatter_add), (0, 2, 1)),
    **dict.fromkeys((_aten.scatter_reduce, _aten.index_add, _aten.index_copy, _aten.index_reduce), (0, 2, 1)),
    _aten._embedding_bag_forward_only: (0, 1, None),
    _aten.take_along_dim: (0, 1, 2),
}

Bound: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LookupRange:
    """The places that an input may hold, as far as is known.

    Attributes:
        low: the smallest value of each element; 1 on axes whose size may change. `LOWEST` if there is none.
        high: the largest one, likewise; `HIGHEST` if there is none.
        size: a dimension, and what to add to its size for a largest value of all elements; None if there is none.
    """

    low: Bound
    high: Bound
    size: tuple[str, int] | None = None

    def highest(self, sizes: dict[str, int]) -> Bound:
        """`high`, in a call with these sizes of dimensions."""
        return self.high if self.size is None else np.minimum(self.high, sizes[self.size[0]] + self.size[1])

    @property
    def is_known(self) -> bool:
        """Whether there is any bound."""
        return bool((self.low > LOWEST).any() or (self.high < HIGHEST).any() or self.size is not None)


class _Places(NamedTuple):
    """Integers of one tensor: which element of the inputs each is, and what was added to it."""

    source: Tensor
    shift: Tensor


class _Lookup(NamedTuple):
    """One use of integers as places: from `low` up to `size` - 1."""

    places: _Places
    low: int | None
    size: int | SymInt


def lookup_ranges(program: Program) -> dict[str, LookupRange]:
    """The range of each input of numbers that is looked up somewhere, as its graph tells; they are yet to be tried."""
    starts, count = {}, 0
    for spec in program.inputs:
        starts[spec.name] = count
        count += program.example[spec.name].size
    low, high = np.full(count, LOWEST), np.full(count, HIGHEST)
    sized: dict[tuple[str, int], npt.NDArray[np.bool_]] = {}
    dimensions = _dimensions(program)
    for lookup in _lookups(program, starts):
        known = (lookup.places.source >= 0).reshape(-1).numpy()
        elements = lookup.places.source.reshape(-1).numpy()[known]
        shift = lookup.places.shift.reshape(-1).numpy()[known]
        if lookup.low is not None:
            np.maximum.at(low, elements, lookup.low - shift)
        if isinstance(lookup.size, int):
            np.minimum.at(high, elements, lookup.size - 1 - shift)
            continue
        for dimension, symbol in dimensions.items():
            plus = lookup.size.node.expr - symbol
            if plus.is_Integer and len(set(shift.tolist())) == 1:
                bound = (dimension, int(plus) - 1 - int(shift[0]))
                sized.setdefault(bound, np.zeros(count, np.bool_))[elements] = True
                break
    found = {}
    for spec in program.inputs:
        shape = program.example[spec.name].shape
        part = slice(starts[spec.name], starts[spec.name] + program.example[spec.name].size)
        changing = tuple(axis for axis, size in enumerate(spec.shape) if isinstance(size, str))
        sizes = [bound for bound, elements in sized.items() if elements[part].any()]
        size = sizes[0] if len(sizes) == 1 and sized[sizes[0]][part].all() else None
        together = LookupRange(
            _shared(low[part].reshape(shape), changing, LOWEST),
            -_shared(-high[part].reshape(shape), changing, -HIGHEST),
            size,
        )
        if together.is_known and spec.dtype.kind != "b":
            found[spec.name] = together
    return found


def _shared(bounds: Bound, changing: tuple[int, ...], nothing: int) -> Bound:
    """The largest bound along the axes that may change, and nothing if any element on them has none."""
    largest = bounds.max(axis=changing, keepdims=True)
    has_all = (bounds != nothing).all(axis=changing, keepdims=True)
    return np.where(has_all, largest, nothing)


def _dimensions(program: Program) -> dict[str, Any]:
    """The symbol of each dimension that may change."""
    symbols = {}
    for spec, node in zip(program.inputs, placeholders(program.exported), strict=True):
        for dimension, size in zip(spec.shape, node.meta["val"].shape, strict=True):
            if isinstance(dimension, str) and not isinstance(size, int):
                symbols[dimension] = size.node.expr
    return symbols


def _lookups(program: Program, starts: dict[str, int]) -> Iterator[_Lookup]:
    """Every use of integers as places in the graph; `starts` has the number of each input's first element."""
    known: dict[fx.Node, Any] = dict(_given(program, starts))
    for node in program.exported.graph.nodes:
        if node.op != "call_function":
            continue
        yield from _in_node(node, known)
        try:
            value = _followed(node, known)
        except Exception:  # the node takes something that is not known, or torch takes it for other elements only
            continue
        if value is not None:
            known[node] = value


def _given(program: Program, starts: dict[str, int]) -> Iterator[tuple[fx.Node, Any]]:
    """What is known of the placeholders of the graph."""
    exported = program.exported
    state = state_of(exported)
    inputs = {
        node: spec for node, spec in zip(placeholders(exported), program.inputs, strict=True) if spec.dtype.kind != "b"
    }
    nodes = [node for node in exported.graph.nodes if node.op == "placeholder"]
    for node, spec in zip(nodes, exported.graph_signature.input_specs, strict=True):
        if node in inputs:
            values = program.example[inputs[node].name]
            numbers = starts[inputs[node].name] + torch.arange(values.size).reshape(values.shape)
            yield node, _Places(numbers, torch.zeros_like(numbers))
            continue
        value = None if spec.kind == InputKind.USER_INPUT else state.get(spec.target)
        if isinstance(value, Tensor) and not value.is_floating_point() and value.numel() <= _MOST_ELEMENTS:
            yield node, _constant(value)


def _constant(value: Tensor) -> _Places:
    return _Places(torch.full(value.shape, _CONSTANT), value.to(torch.int64))


def _followed(node: fx.Node, known: dict[fx.Node, Any]) -> Any:
    """What is known of the result of `node`; None if nothing is. Anything may be raised if nothing is."""
    result = node.meta.get("val")
    if isinstance(result, int | SymInt):
        return size_hint(result)
    args, kwargs = pytree.tree_map_only(fx.Node, known.__getitem__, (node.args, dict(node.kwargs)))
    if node.target is operator.getitem:
        return args[0][args[1]]
    if not isinstance(node.target, torch._ops.OpOverload):
        return None
    packet = node.target.overloadpacket
    if packet in _CASTS:
        return args[0]
    if packet in _MOVES:
        source, shift = (_on(node.target, args, kwargs, part) for part in range(2))
        if isinstance(source, Tensor):
            return _Places(source, shift)
        return [_Places(*pair) for pair in zip(source, shift, strict=True)]
    leaves = [leaf for leaf in pytree.tree_leaves((args, kwargs), is_leaf=_is_places) if _is_places(leaf)]
    # What a sum of fractions is cut to is not the sum of what they are cut to.
    if not isinstance(result, Tensor) or result.is_floating_point():
        return None
    is_small = np.prod([size_hint(size) for size in result.shape]) <= _MOST_ELEMENTS
    if is_small and (packet in _FILLS or all((leaf.source == _CONSTANT).all() for leaf in leaves)):
        return _constant(_on(node.target, args, kwargs, 1))
    if packet in (_aten.add, _aten.sub) and not kwargs:
        return _sum(args[0], args[1], node.target)
    return None


def _is_places(value: Any) -> bool:
    return isinstance(value, _Places)


def _on(operation: Callable[..., Any], args: Any, kwargs: Any, part: int) -> Any:
    """The result of `operation` on the sources (`part` 0) or the shifts (1) of the integers that it takes."""
    args, kwargs = pytree.tree_map(
        lambda leaf: leaf[part] if _is_places(leaf) else leaf, (args, kwargs), is_leaf=_is_places
    )
    return operation(*args, **kwargs)


def _sum(one: Any, other: Any, operation: Callable[..., Any]) -> _Places | None:
    """The sum or the difference of integers: known where the second or, in a sum, the first is a constant."""
    places = [value if _is_places(value) else _constant(torch.tensor(value)) for value in (one, other)]
    shape = np.broadcast_shapes(*(tuple(value.source.shape) for value in places))
    first, second = (value.source.expand(shape) for value in places)
    source = torch.where(second == _CONSTANT, first, _UNKNOWN)
    if operation.overloadpacket is _aten.add:  # type: ignore[attr-defined]
        source = torch.where(first == _CONSTANT, second, source)
    return _Places(source, operation(places[0].shift, places[1].shift))


def _in_node(node: fx.Node, known: dict[fx.Node, Any]) -> Iterator[_Lookup]:
    """The uses of integers as places in one operation."""
    packet = node.target.overloadpacket if isinstance(node.target, torch._ops.OpOverload) else None
    args: tuple[Any, ...] = node.args
    if packet in (_aten.index, _aten.index_put):
        shape, indices = args[0].meta["val"].shape, args[1]
        # A mask stands for several axes at once.
        if not any(index is not None and index.meta["val"].dtype in (torch.bool, torch.uint8) for index in indices):
            for size, index in zip(shape, indices, strict=False):
                yield from _lookup(index, known, size, counts_from_end=True)
    elif packet is _aten.index_fill:
        yield from _lookup(args[2], known, _size(args[0], args[1]), counts_from_end=True)
    elif packet is _aten.take:
        yield from _lookup(args[1], known, args[0].meta["val"].numel(), counts_from_end=True)
    elif packet is _aten.one_hot:
        if len(args) > 1 and isinstance(args[1], int) and args[1] >= 0:
            yield from _lookup(args[0], known, args[1])
    elif packet in _LOOKUPS:
        looked_in, places, axis = _LOOKUPS[packet]
        dim = 0 if axis is None else args[axis] if len(args) > axis else None
        if isinstance(dim, int):
            yield from _lookup(args[places], known, _size(args[looked_in], dim))


def _lookup(
    index: Any, known: dict[fx.Node, Any], size: int | SymInt, counts_from_end: bool = False
) -> Iterator[_Lookup]:
    places = known.get(index)
    if isinstance(places, _Places) and (places.source >= 0).any():
        low = 0 if not counts_from_end else -size if isinstance(size, int) else None
        yield _Lookup(places, low, size)


def _size(node: fx.Node, dim: int) -> int | SymInt:
    shape = node.meta["val"].shape
    # torch takes a scalar for a tensor of one element.
    size: int | SymInt = shape[dim] if shape else 1
    return size
