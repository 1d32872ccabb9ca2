"""A captured graph without in-place operations, and with some operations in the steps that torch computes them in."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.fx.experimental.proxy_tensor import make_fx

from edge_export.capture.attention import any_layout
from edge_export.capture.recurrent import OF_ANY_LENGTH, any_length

Steps = Mapping[torch._ops.OpOverload, Callable[..., Any]]


def in_functional_form(exported: ExportedProgram, steps: Steps) -> ExportedProgram:
    """`exported` as a program in which every value is computed once, and operations in `steps` are those steps.

    Steps that return NotImplemented leave an operation as it is.

    torch can bring any program into this form, but traces all of it anew, which takes longer than the first time. Most
    graphs need it in few places, and these are rewritten in `exported` itself.
    """
    replacements = _out_of_place(exported)
    if replacements is None:
        with any_length(), any_layout(exported):
            functional: ExportedProgram = exported.run_decompositions(dict(steps))
            return functional
    for node, target in replacements.items():
        operand = node.args[0]
        assert isinstance(operand, fx.Node)
        node.target = target
        for user in [user for user in operand.users if _is_behind(user, node)]:
            user.replace_input_with(operand, node)
    for node in [node for node in exported.graph.nodes if node.target in steps]:
        _replace_by_steps(node, steps[node.target])
    for node in exported.graph.nodes:
        # Attention in steps lays out its result differently in memory, and torch would fix the sizes of a view of it.
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
    exported.graph.lint()
    exported.graph_module.recompile()
    return exported


def _out_of_place(exported: ExportedProgram) -> dict[fx.Node, torch._ops.OpOverload] | None:
    """For each in-place operation the one that gives its result; None if more of the graph would have to change."""
    outputs = exported.graph_signature.output_specs
    if any(spec.kind != OutputKind.USER_OUTPUT for spec in outputs):
        return None
    if any(isinstance(part, fx.GraphModule) for name, part in exported.graph_module.named_modules() if name):
        return None
    found = {}
    for node in exported.graph.nodes:
        target = node.target
        if target in OF_ANY_LENGTH:
            return None
        if node.op != "call_function" or target is operator.getitem or not isinstance(target, torch._ops.OpOverload):
            continue
        if not target._schema.is_mutable:
            continue
        replacement = _counterpart(target)
        if replacement is None or not _is_alone(node, replacement):
            return None
        found[node] = replacement
    return found


def _counterpart(target: torch._ops.OpOverload) -> torch._ops.OpOverload | None:
    """`aten.relu` for `aten.relu_`."""
    if torch.Tag.inplace_view in target.tags:
        return None  # it changes the shape of its operand
    name = target._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None) if name.endswith("_") else None
    found = getattr(packet, target._overloadname, None)
    return found if isinstance(found, torch._ops.OpOverload) and not found._schema.is_mutable else None


def _is_alone(node: fx.Node, replacement: torch._ops.OpOverload) -> bool:
    """Whether an in-place operation changes nothing but its operand: a new tensor of its type, with no view of it."""
    operand = node.args[0]
    if not isinstance(operand, fx.Node) or operand.op != "call_function" or operand in node.args[1:]:
        return False
    before, after = operand.meta.get("val"), node.meta.get("val")
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return False
    # In place a result takes the operand's type, which elsewhere it may not have.
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda known: known.meta["val"])
    elsewhere = replacement(*args, **kwargs)
    if not isinstance(elsewhere, Tensor) or elsewhere.dtype != before.dtype:
        return False
    # What was changed in place before is still the same tensor.
    root: Any = operand
    while _is_in_place(root):
        root = root.args[0]
    if root.op != "call_function" or _may_share(root):
        return False
    names: list[fx.Node] = [root]
    for name in names:
        names += [user for user in name.users if _is_in_place(user) and user.args[0] is name]
    earlier = {user for name in names for user in name.users if user < node} - {*names}
    return not any(_may_share(user) for user in earlier)


def _is_in_place(node: Any) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _may_share(node: fx.Node) -> bool:
    """Whether the result of an operation may share memory with an operand."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return True
    aliases = any(returned.alias_info is not None for returned in target._schema.returns)
    # What is made of other operations gives a view if these do, and does not say so.
    is_composite = target._can_decompose()
    return target.is_view or aliases or (is_composite and target.overloadpacket not in _NEW)


# Operations made of others that give a new tensor.
_NEW_NAMES = """
    batch_norm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d group_norm instance_norm
    layer_norm linear log_softmax matmul max_pool1d max_pool2d max_pool3d relu6 rms_norm scaled_dot_product_attention
    selu softmax
"""
_NEW = {getattr(torch.ops.aten, name) for name in _NEW_NAMES.split()}


def _is_behind(user: fx.Node, node: fx.Node) -> bool:
    return user is not node and node < user


class _AsItIs(Exception):
    """Raised while the steps of an operation are traced that needs none."""


def _replace_by_steps(node: fx.Node, steps: Callable[..., Any]) -> None:
    """Put the operations of `steps` in the place of `node`."""
    nodes = list(dict.fromkeys(node.all_input_nodes))

    def compute(*values: Any) -> Any:
        known = dict(zip(nodes, values, strict=True))
        args, kwargs = fx.map_arg((node.args, node.kwargs), known.__getitem__)
        if (found := steps(*args, **kwargs)) is NotImplemented:
            raise _AsItIs
        return found

    try:
        traced = make_fx(compute, tracing_mode="symbolic", pre_dispatch=True)(*[known.meta["val"] for known in nodes])
    except _AsItIs:
        return
    graph, placed = node.graph, dict[fx.Node, Any]()
    given = iter(nodes)
    with graph.inserting_before(node):
        for inner in traced.graph.nodes:
            if inner.op == "placeholder":
                placed[inner] = next(given)
            elif inner.op == "output":
                node.replace_all_uses_with(placed[inner.args[0]])
            else:
                placed[inner] = graph.node_copy(inner, placed.__getitem__)
                # Where the operation stands in the module's code.
                for key in ("nn_module_stack", "stack_trace"):
                    if key in node.meta:
                        placed[inner].meta[key] = node.meta[key]
    graph.erase_node(node)
