"""An ONNX graph in which every shape is known and whatever is constant has been computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper, inliner, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from edge_export.capture.diagnostics import cause
from edge_export.errors import ExportError
from edge_export.tensors import Array

# Whatever is larger is not computed beforehand: it would take more of a device's memory than the operator does.
_MOST_FOLDED = 2**20


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor in a graph.

    Attributes:
        name: its name in the ONNX graph.
        dtype: the type of its elements.
        shape: its size on each axis.
        constant: its elements, if they are known beforehand.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    constant: Array | None = None

    @property
    def size(self) -> int:
        """How many elements it has."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Operation:
    """An operator that is applied to tensors.

    Attributes:
        kind: the operator's name, such as "Gemm".
        inputs: what it takes; None for an optional input that is absent.
        outputs: what it returns; None for an output that nothing takes.
        attributes: its attributes by name.
        bodies: the graphs that it chooses from, which may read any value that was computed before: of `If` what is
            computed if the condition holds, and what otherwise.
    """

    kind: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    bodies: "tuple[StaticGraph, ...]" = ()

    @property
    def read(self) -> tuple[Value, ...]:
        """All values that it reads, also those that its bodies read."""
        inner = [value for body in self.bodies for one in body.operations for value in one.read]
        ends = [value for body in self.bodies for value in body.outputs]
        return tuple(value for value in (*self.inputs, *inner, *ends) if value is not None)

    def input(self, place: int) -> Value:
        """The input at a place, which is there."""
        value = self.inputs[place]
        assert value is not None
        return value

    def optional(self, place: int) -> Value | None:
        """The input at a place, if it is there."""
        return self.inputs[place] if place < len(self.inputs) else None

    @property
    def output(self) -> Value:
        """The first output."""
        (value, *_) = self.outputs
        assert value is not None
        return value

    def integers(self, place: int, attribute: str | None = None) -> list[int] | None:
        """The constant integers of an optional input, or of the attribute that older operators have in its place."""
        value = self.optional(place)
        if value is None:
            found = self.attributes.get(attribute) if attribute else None
            return None if found is None else list(found)
        if value.constant is None:
            raise ExportError(f"C code needs constant sizes, but {value.name} of {self.kind} is computed")
        return [int(one) for one in value.constant.reshape(-1)]


@dataclass(frozen=True)
class StaticGraph:
    """A graph of tensors whose shapes are known.

    Attributes:
        inputs: what it takes, in order.
        outputs: what it returns, in order.
        operations: in an order in which they can be computed.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operations: tuple[Operation, ...]


def static_graph(model: ModelProto, sizes: Mapping[str, int]) -> StaticGraph:
    """The graph of `model` with its dimensions fixed.

    Args:
        model: an ONNX model of whose dimensions `sizes` has all that are symbolic.
        sizes: the size of each symbolic dimension by name.

    Raises:
        ExportError: the shape of a tensor follows from the values of another one.
    """
    fixed = _fixed(model, sizes)
    while True:
        known = _inferred(fixed)
        if not _fold(fixed, known):
            break
    return _graph(fixed, known)


def _fixed(model: ModelProto, sizes: Mapping[str, int]) -> ModelProto:
    """A copy with `sizes` in place of names, and without functions and shapes of what is computed."""
    result = ModelProto()
    result.CopyFrom(model)
    del result.metadata_props[:]
    result = inliner.inline_local_functions(result)
    graph = result.graph
    del graph.value_info[:]
    for tensor in graph.input:
        for axis in tensor.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = sizes[axis.dim_param]
    for tensor in graph.output:
        tensor.type.tensor_type.ClearField("shape")
    return result


def _inferred(model: ModelProto) -> dict[str, Value]:
    """The tensors of the graph by name, as far as their shapes can be inferred."""
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except Exception as error:
        raise ExportError(f"the shapes of the ONNX graph cannot be inferred: {cause(error)}") from error
    return _known(inferred)


def _known(graph: GraphProto) -> dict[str, Value]:
    """The tensors of a graph and of those within it whose shapes are given."""
    known: dict[str, Value] = {}
    for tensor in [*graph.input, *graph.value_info, *graph.output]:
        kind = tensor.type.tensor_type
        if kind.HasField("shape") and all(axis.HasField("dim_value") for axis in kind.shape.dim):
            shape = tuple(axis.dim_value for axis in kind.shape.dim)
            known[tensor.name] = Value(tensor.name, helper.tensor_dtype_to_np_dtype(kind.elem_type), shape)
    for constant in graph.initializer:
        array = numpy_helper.to_array(constant)
        known[constant.name] = Value(constant.name, array.dtype, array.shape, array)
    for node in graph.node:
        for body in _bodies(node):
            known |= _known(body)
    return known


def _bodies(node: NodeProto) -> list[GraphProto]:
    """The graphs in a node's attributes: of `If`, what is computed if the condition holds comes first."""
    found = {attribute.name: attribute.g for attribute in node.attribute if attribute.HasField("g")}
    return [found[name] for name in sorted(found, reverse=True)]


def _fold(model: ModelProto, known: Mapping[str, Value]) -> bool:
    """Compute what is constant, and put in what a constant condition chooses; whether anything was."""
    graph = model.graph
    constants = {name: value.constant for name, value in known.items() if value.constant is not None}
    kept: list[NodeProto] = []
    changed = False
    for node in graph.node:
        if (branch := _chosen(node, constants)) is not None:
            kept += _branch(node, branch, graph)
            changed = True
            continue
        folded = _computed(node, constants, known, model)
        if folded is None:
            kept.append(node)
            continue
        changed = True
        for name, array in folded.items():
            constants[name] = array
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def _computed(
    node: NodeProto, constants: Mapping[str, Array], known: Mapping[str, Value], model: ModelProto
) -> dict[str, Array] | None:
    """The outputs of a node by name, if they are constant and not too large."""
    if node.op_type == "Shape" and node.input[0] in known:
        places = {attribute.name: attribute.i for attribute in node.attribute}
        shape = known[node.input[0]].shape[places.get("start", 0) : places.get("end")]
        return {node.output[0]: np.array(shape, np.int64)}
    if node.op_type == "Size" and node.input[0] in known:
        return {node.output[0]: np.array(known[node.input[0]].size, np.int64)}
    if _bodies(node) or node.op_type.startswith("Random"):
        return None
    names = [name for name in node.input if name]
    if not all(name in constants for name in names):
        return None
    given = sum(constants[name].size for name in names)
    if any(known[name].size > max(given, _MOST_FOLDED) for name in node.output if name in known):
        return None
    tensors = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(constants[name].dtype), None)
        for name in dict.fromkeys(names)
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    alone = helper.make_model(helper.make_graph([node], "constant", tensors, outputs), opset_imports=model.opset_import)
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(alone).run(None, {name: constants[name] for name in names})
    return {tensor.name: np.asarray(result) for tensor, result in zip(outputs, results, strict=True)}


def _chosen(node: NodeProto, constants: Mapping[str, Array]) -> GraphProto | None:
    if node.op_type != "If" or node.input[0] not in constants:
        return None
    name = "then_branch" if constants[node.input[0]].item() else "else_branch"
    graphs: dict[str, GraphProto] = {attribute.name: attribute.g for attribute in node.attribute}
    return graphs[name]


def _branch(node: NodeProto, branch: GraphProto, graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a branch, which end in the outputs of the node; its constants go to `graph`."""
    graph.initializer.extend(branch.initializer)
    yield from branch.node
    for inner, outer in zip(branch.output, node.output, strict=True):
        yield helper.make_node("Identity", [inner.name], [outer])


def _graph(model: ModelProto, known: Mapping[str, Value]) -> StaticGraph:
    constants = {tensor.name for tensor in model.graph.initializer}
    return StaticGraph(
        tuple(known[tensor.name] for tensor in model.graph.input if tensor.name not in constants),
        tuple(_value(tensor.name, known) for tensor in model.graph.output),
        _operations(model.graph, known),
    )


def _operations(graph: GraphProto, known: Mapping[str, Value]) -> tuple[Operation, ...]:
    nodes = _needed(graph)
    used = {name for node in nodes for name in _read(node)} | {tensor.name for tensor in graph.output}

    operations = []
    for node in nodes:
        bodies = _bodies(node)
        if bodies and node.op_type != "If":
            raise ExportError(f"there is no C code for the ONNX operator {node.op_type}")
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute if not one.HasField("g")}
        operations.append(
            Operation(
                node.op_type,
                tuple(_value(name, known) if name else None for name in node.input),
                tuple(_value(name, known) if name in used else None for name in node.output),
                {name: one.decode() if isinstance(one, bytes) else one for name, one in attributes.items()},
                tuple(
                    StaticGraph(
                        (), tuple(_value(tensor.name, known) for tensor in body.output), _operations(body, known)
                    )
                    for body in bodies
                ),
            )
        )
    return tuple(operations)


def _value(name: str, known: Mapping[str, Value]) -> Value:
    if name not in known:
        raise ExportError(f"C code needs the size of every tensor, but that of {name} follows from computed values")
    return known[name]


def _read(node: NodeProto) -> set[str]:
    """The names of all that a node reads."""
    inner = {name for body in _bodies(node) for one in body.node for name in _read(one)}
    return {*node.input, *inner, *(tensor.name for body in _bodies(node) for tensor in body.output)}


def _needed(graph: GraphProto) -> list[NodeProto]:
    """The nodes that an output follows from."""
    wanted = {tensor.name for tensor in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_read(node))
    return kept[::-1]
