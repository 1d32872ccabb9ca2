"""Weights of batched matrix products, one matrix for each member of an ensemble or expert, made ready for 8 bits."""

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto
from onnxscript import ir


def batched_products(graph: GraphProto) -> dict[str, str]:
    """By the name of each MatMul whose constant on the right is not one matrix: the name of that constant.

    ONNX Runtime's tools give each a scale for every place on one of its axes, of a shape that the kernels refuse or
    compute something else with. One scale for all of it is what they take.
    """
    others = {one.name for one in graph.initializer if one.data_type == TensorProto.FLOAT and len(one.dims) != 2}
    return {node.name: node.input[1] for node in graph.node if node.op_type == "MatMul" and node.input[1] in others}


def with_channel_scales_apart(model: ModelProto) -> ModelProto:
    """`model`, in which a constant of several matrices has columns of magnitude 1, and its product is scaled instead.

    x · W becomes (x · W / s) · s with the largest magnitudes s of the columns of each matrix. A single scale in 8 bits
    then rounds like one for each column of each matrix, which DequantizeLinear cannot express.

    Args:
        model: float32, with a name of its own for each node; it stays as it is.
    """
    if not batched_products(model.graph):
        return model
    result = ir.from_proto(model)
    ir.passes.common.ShapeInferencePass()(result)
    parts: dict[ir.Value, tuple[ir.Value, ir.Value]] = {}
    for node in list(result.graph):
        if node.op_type == "MatMul" and _has_columns(*node.inputs):
            weights, product = node.inputs[1], node.outputs[0]
            assert weights is not None
            if weights not in parts:
                parts[weights] = _normalized(result.graph, weights)
            normalized, scales = parts[weights]
            scaled = ir.node("Mul", [product, scales], name=f"{node.name}_scaled")
            scaled.outputs[0].name, product.name = product.name, f"{product.name}_unscaled"
            scaled.outputs[0].type, scaled.outputs[0].shape = product.type, product.shape
            product.replace_all_uses_with(scaled.outputs[0], replace_graph_outputs=True)
            scaled.replace_input_with(0, product)
            node.replace_input_with(1, normalized)
            node.append(scaled)
    for tidy in (ir.passes.common.RemoveUnusedNodesPass(), ir.passes.common.NameFixPass()):
        tidy(result)
    return ir.to_proto(result)


def _has_columns(left: ir.Value | None, right: ir.Value | None) -> bool:
    """Whether `right` is several matrices, finite in float32, and each column of them one of the product."""
    if left is None or right is None or left.shape is None or left.shape.rank() < 2 or not right.is_initializer():
        return False
    weights = right.const_value
    if weights is None or weights.dtype != ir.DataType.FLOAT or weights.shape.rank() < 3 or weights.size == 0:
        return False
    return bool(np.isfinite(weights.numpy()).all())


def _normalized(graph: ir.Graph, weights: ir.Value) -> tuple[ir.Value, ir.Value]:
    """`weights` with columns of magnitude 1, and the magnitudes that they had; both are added to `graph`."""
    assert weights.const_value is not None
    array = weights.const_value.numpy()
    largest = np.abs(array).max(axis=-2, keepdims=True)
    largest[largest == 0] = 1
    made = []
    for values, mark in ((array / largest, "normalized"), (largest, "magnitudes")):
        one = ir.val(f"{weights.name}_{mark}", const_value=ir.tensor(values))
        graph.register_initializer(one)
        made.append(one)
    return made[0], made[1]
