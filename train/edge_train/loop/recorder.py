"""Records the operations that torch computes, in order to compute them again on other tensors of the same shapes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

_ATEN = torch.ops.aten
# What these return depends on the shape of their argument alone.
_OF_SHAPE = (_ATEN.ones_like.default, _ATEN.zeros_like.default, _ATEN.full_like.default)
# What these return is their argument if it has the same shape. Products of several matrices come with many of them.
_OF_SAME_SHAPE = (_ATEN.detach.default, _ATEN.view.default, _ATEN._unsafe_view.default, _ATEN.expand.default)

# The operation, its arguments by place and by name, and its result.
_Operation = tuple[OpOverload, tuple[tuple[Any, ...], dict[str, Any]], Any]


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes down every operation while it is entered, autograd's backward pass included."""

    def __init__(self) -> None:
        """Start with no operations."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._operations: list[_Operation] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would import its compiler, which takes seconds, to tell it that it is not to compile the recorder."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute an operation, and take it down."""
        result = func(*args, **(kwargs or {}))
        self._operations.append((func, (args, kwargs or {}), result))
        return result

    def replay(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Callable[..., tuple[Tensor, ...]]:
        """A function that computes `outputs` from other tensors in the place of `inputs`.

        It has the operations that `outputs` depend on, in their order. All other tensors that were used, such as
        buffers, are constants in it.
        """
        operations, outputs = self._operations, list(outputs)
        # What changes a tensor in place may change one that others share.
        if not any(func._schema.is_mutable for func, *_ in operations):
            operations, outputs = _simplified(operations, inputs, outputs)

        def replayed(*given: Tensor) -> tuple[Tensor, ...]:
            now = {id(before): tensor for before, tensor in zip(inputs, given, strict=True)}
            for func, arguments, result in operations:
                args, kwargs = _replaced(arguments, now)
                found = func(*args, **kwargs)
                for before, tensor in zip(_tensors(result), _tensors(found), strict=True):
                    now[id(before)] = tensor
            return tuple(now.get(id(tensor), tensor) for tensor in outputs)

        return replayed


def _simplified(
    operations: Sequence[_Operation], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> tuple[list[_Operation], list[Tensor]]:
    """The operations and outputs without copies of what is there, what is the same each time, and what nobody takes."""
    same: dict[int, Tensor] = {}
    transposed: dict[int, Tensor] = {}
    varying = set(map(id, inputs))
    kept: list[_Operation] = []
    for func, given, result in operations:
        arguments = _replaced(given, same)
        first = next(iter(_tensors(arguments)), None)
        if func in _OF_SAME_SHAPE and first is not None and result.shape == first.shape:
            same[id(result)] = first
        elif func is _ATEN.t.default and id(first) in transposed:
            same[id(result)] = transposed[id(first)]
        elif torch.Tag.nondeterministic_seeded in func.tags or (
            func not in _OF_SHAPE and not varying.isdisjoint(map(id, _tensors(arguments)))
        ):
            if func is _ATEN.t.default and first is not None:
                transposed[id(result)] = first
            varying.update(map(id, _tensors(result)))
            kept.append((func, arguments, result))
    outputs = [same.get(id(tensor), tensor) for tensor in outputs]
    wanted = set(map(id, outputs))
    needed: list[_Operation] = []
    for operation in reversed(kept):
        _, arguments, result = operation
        if not wanted.isdisjoint(map(id, _tensors(result))):
            wanted.update(map(id, _tensors(arguments)))
            needed.append(operation)
    return needed[::-1], outputs


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _replaced(arguments: Any, tensors: Mapping[int, Tensor]) -> Any:
    return pytree.tree_map_only(Tensor, lambda tensor: tensors.get(id(tensor), tensor), arguments)
