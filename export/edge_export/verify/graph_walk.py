"""Going through a captured graph operation by operation.

An export does so hundreds of times. torch.fx.Interpreter prepares each operation anew every time, which for a small
network takes several times as long as the operations do.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

Change = Callable[[Any], Any]
# Computes an operation from its operands, those by name, and the type of its result.
Compute = Callable[[Any, tuple[Any, ...], Mapping[str, Any], torch.dtype | None], Any]


class GraphWalk:
    """The nodes of a graph in their order, with what is the same each time that they are computed."""

    def __init__(self, module: fx.GraphModule) -> None:
        """Look through the graph of `module`, which is not changed afterwards."""
        self._steps = _steps(module)

    def run(self, arguments: Sequence[Any], compute: Compute) -> Any:
        """What the graph gives for `arguments`; a result is let go once nothing needs it any more.

        Raises:
            Exception: what `compute` raises, with the place in the module's code behind its message.
        """
        given = iter(arguments)
        values: dict[fx.Node, Any] = {}
        for step in self._steps:
            node = step.node
            if node.op == "placeholder":
                values[node] = next(given)
            elif node.op == "get_attr":
                values[node] = step.attribute
            else:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                if node.op == "output":
                    return args[0]
                try:
                    values[node] = compute(node.target, args, kwargs, step.dtype)
                except Exception as error:
                    if node.stack_trace is not None:
                        error.args = (f"{error}\n\nOriginal traceback:\n{node.stack_trace}",)
                    raise
            for unneeded in step.unneeded:
                del values[unneeded]
        raise AssertionError("the graph gives nothing")


def mapped(change: Change, value: Any) -> Any:
    """`value` with `change` made to all in it, which may be tuples, lists and dicts of values."""
    if isinstance(value, Tensor):  # first, since most are
        return change(value)
    if isinstance(value, tuple):
        return tuple([mapped(change, one) for one in value])
    if isinstance(value, list):
        return [mapped(change, one) for one in value]
    if isinstance(value, dict):
        return {name: mapped(change, one) for name, one in value.items()}
    return change(value)


def tensors_mapped(change: Callable[[Tensor], Any], value: Any) -> Any:
    """`value` with `change` made to all tensors in it."""
    return mapped(lambda one: change(one) if isinstance(one, Tensor) else one, value)


class _Step(NamedTuple):
    """A node, and what is the same each time.

    Attributes:
        node: the node.
        dtype: the type of its result, if that is a tensor; of several the first that is floating.
        attribute: what it looks up in the module, if it does.
        unneeded: nodes whose results nothing needs after it.
    """

    node: fx.Node
    dtype: torch.dtype | None
    attribute: Any
    unneeded: tuple[fx.Node, ...]


def _steps(module: fx.GraphModule) -> list[_Step]:
    needed: set[fx.Node] = set()
    steps = []
    for node in reversed(module.graph.nodes):
        last = {one for one in (node, *node.all_input_nodes) if one not in needed}
        needed |= last
        attribute = operator.attrgetter(str(node.target))(module) if node.op == "get_attr" else None
        steps.append(_Step(node, _dtype(node), attribute, tuple(last)))
    return steps[::-1]


def _dtype(node: fx.Node) -> torch.dtype | None:
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else [value]
    dtypes = [one.dtype for one in values if isinstance(one, Tensor) and one.dtype.is_floating_point]
    return dtypes[0] if dtypes else getattr(values[0], "dtype", None) if values else None
