"""Pooling whose last window would begin behind the end: torch drops it, and ONNX's rule for `ceil_mode` counts it."""

import math
from collections.abc import Mapping

from onnx import GraphProto, NodeProto, helper

from edge_export.errors import ExportError

_POOLING = ("AveragePool", "MaxPool")


def drop_windows(graph: GraphProto) -> None:
    """Write pooling that drops a window without `ceil_mode`: padding tells how many windows there are.

    Where a dimension has no fixed size, or both rules give the same number, nothing is changed.

    Raises:
        ExportError: a window is dropped on one axis, and on another padding would count in the mean.
    """
    shapes = {
        tensor.name: [size.dim_value for size in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.value_info, *graph.output)
    }
    for node in graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type in _POOLING and attributes.get("ceil_mode"):
            given, found = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
            if all((*given[2:], *found[2:])) and len(given) == len(found) > 2:
                _without_ceil_mode(node, attributes, given[2:], found[2:])
        for attribute in node.attribute:
            if attribute.HasField("g"):
                drop_windows(attribute.g)


def _without_ceil_mode(
    node: NodeProto, attributes: Mapping[str, list[int]], given: list[int], found: list[int]
) -> None:
    axes = len(given)
    strides, dilations = attributes.get("strides", [1] * axes), attributes.get("dilations", [1] * axes)
    pads = list(attributes.get("pads", [0] * 2 * axes))
    drops, extra = False, [0] * axes
    for axis in range(axes):
        width = dilations[axis] * (attributes["kernel_shape"][axis] - 1) + 1
        room = given[axis] + pads[axis] + pads[axes + axis] - width
        drops |= math.ceil(room / strides[axis]) + 1 != found[axis]
        extra[axis] = max(0, (found[axis] - 1) * strides[axis] - room)
    if not drops:
        return
    if any(extra) and attributes.get("count_include_pad"):
        raise ExportError(
            "ONNX has no average pooling with ceil_mode=True and count_include_pad=True whose last window begins "
            "behind the end of one axis and not of another; set count_include_pad=False, or pad the input so that "
            "no window is cut"
        )
    pads[axes:] = [one + more for one, more in zip(pads[axes:], extra, strict=True)]
    kept = [one for one in node.attribute if one.name not in ("ceil_mode", "pads")]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
